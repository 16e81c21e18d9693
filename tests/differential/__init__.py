# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the evaluator of firewalls say what the kernel does? Random rulesets and real packets decide.

    python -m tests.differential --rulesets 500 --packets 20 --seed 1

_case      a ruleset and packets, as data: what is generated, replayed, and kept as a regression
_generate/ random but plausible rulesets and packets that hit them
_scene     a host with wires in network namespaces of its own: loads rulesets, sends frames, sees what comes out
_counters  which rules a packet matched
_evaluate  what our evaluator says of the same
_compare   where the two differ
_worker    one process in namespaces of its own that works off seeds; _pool: several of them
"""
