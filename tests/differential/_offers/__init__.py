# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is offered for a handshake that a ruleset stops: typed as it is printed, in the ruleset itself, and tried with connections.

`_host.py` is the host with its neighbours, `_rulesets.py` where rulesets come from, `_worker.py` tries one, `__main__.py` has the figures.
"""
