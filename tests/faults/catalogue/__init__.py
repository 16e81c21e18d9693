# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All faults; importing this package registers them."""

from tests.faults.catalogue import backlog, client, firewall, firewall_rules, firewall_states, path, routing, socket_, systemd

__all__ = ["backlog", "client", "firewall", "firewall_rules", "firewall_states", "path", "routing", "socket_", "systemd"]
