#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Try TCP handshakes from a host and return what its kernel says about each
version_added: 0.1.0
description:
  - Connects from the managed host to all destinations at once, as an application on that host would, and closes the
    connections again. It sends no data, and reads nothing that a peer sends.
  - Returns what a single connection error hides. That is every resolved address of both families, the step at which an attempt ended,
    the error by name, the time it took, an answer after the timeout, the sender of an ICMP error, and the content of C(TCP_INFO).
  - A handshake that fails is a result, not a failure of the module.
  - Needs no privileges.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes
  - threeway.handshake.attributes.unchanging
options:
  address:
    description:
      - The address or name to connect to.
      - Mutually exclusive with O(destinations).
    type: str
  port:
    description:
      - The TCP port to connect to.
      - Required with O(address).
    type: int
  destinations:
    description:
      - What to connect to, if it is more than one address and port.
    type: list
    elements: dict
    suboptions:
      address:
        description:
          - The address or name to connect to. All addresses of a name are tried.
        type: str
        required: true
      port:
        description:
          - The TCP port to connect to.
        type: int
        required: true
      source:
        description:
          - The address of the host to connect from. Only destination addresses of the same family are then tried.
        type: str
      timeout:
        description:
          - The seconds after which the application gives up. The default is O(timeout).
        type: float
  attempts:
    description:
      - How many connections to try to each address.
    type: int
    default: 3
  interval:
    description:
      - The seconds between the starts of two attempts to the same address.
    type: float
    default: 0.2
  timeout:
    description:
      - The seconds after which the application gives up.
    type: float
    default: 3.0
  patience:
    description:
      - How many seconds to wait for a late answer after the timeout. The outcome of such an attempt is still V(timeout).
    type: float
    default: 2.0
  settle:
    description:
      - How many seconds to watch what the peer does with an accepted connection.
    type: float
    default: 0.25
seealso:
  - module: ansible.builtin.wait_for
"""

EXAMPLES = r"""
- name: Check whether a database accepts connections
  threeway.handshake.probe:
    address: 192.0.2.21
    port: 5432
  register: database

- name: Show why it does not
  ansible.builtin.debug:
    msg: "{{ database.probes | map(attribute='errno') }}"
  when: database.summary.connected == 0

- name: Try several destinations at once, from one of the host's addresses
  threeway.handshake.probe:
    destinations:
      - address: db.example.org
        port: 5432
      - address: 2001:db8::21
        port: 443
        timeout: 0.5
    attempts: 1
"""

RETURN = r"""
resolutions:
  description: The answers of the host's resolver, one entry for each destination.
  returned: success
  type: list
  elements: dict
  contains:
    dial:
      description: The destination's position in the input, from 0.
      type: int
      sample: 0
    name:
      description: The address or name as given.
      type: str
      sample: db.example.org
    addresses:
      description: All addresses.
      type: list
      elements: str
      sample: [192.0.2.21, "2001:db8::21"]
    error:
      description: The resolver's error by name, V(ETIMEDOUT) if it did not answer in the time that its configuration allows, null if none.
      type: str
      sample: EAI_NONAME
    message:
      description: The error in words.
      type: str
      sample: Name or service not known
    elapsed_ms:
      description: The time it took, in milliseconds.
      type: float
      sample: 1.2
probes:
  description: One entry for each attempt to each address.
  returned: success
  type: list
  elements: dict
  contains:
    dial:
      description: The destination's position in the input, from 0.
      type: int
      sample: 0
    attempt:
      description: The number of the attempt, from 0.
      type: int
      sample: 0
    address:
      description: The address of the attempt.
      type: str
      sample: 192.0.2.21
    port:
      description: The port of the attempt.
      type: int
      sample: 5432
    family:
      description: V(ipv4) or V(ipv6).
      type: str
      sample: ipv4
    uid:
      description: The user who connected.
      type: int
      sample: 0
    local_address:
      description: The address that the kernel connected from, null if the attempt ended before.
      type: str
      sample: 192.0.2.11
    local_port:
      description: The port that the kernel connected from, null if the attempt ended before.
      type: int
      sample: 40001
    started:
      description: When the attempt began, in seconds since the epoch.
      type: float
      sample: 1763697600.2
    stage:
      description: How far it got, one of V(socket), V(bind), V(connect), V(wait), and V(done).
      type: str
      sample: wait
    outcome:
      description: What the application sees within its timeout, one of V(connected), V(error), and V(timeout).
      type: str
      sample: error
    errno:
      description: The error by name, null if there is none.
      type: str
      sample: ECONNREFUSED
    elapsed_ms:
      description: How long the application waited, in milliseconds.
      type: float
      sample: 0.4
    late_ms:
      description: When an answer or error arrived too late for the application, in milliseconds since the start, null if none arrived.
      type: float
      sample: 3080.1
    late_errno:
      description: The error that arrived too late, null for a late connection, or if nothing arrived.
      type: str
      sample: EHOSTUNREACH
    icmp:
      description: The ICMP error that ended the attempt, with its C(offender), C(type) and C(code), null if there was none.
      type: dict
      sample: {"offender": "192.0.2.1", "type": 3, "code": 13}
    peer:
      description:
        - What the peer did while the connection was watched, one of V(open), V(closed), V(reset), and V(data).
        - Null without a connection.
      type: str
      sample: open
    tcp_info:
      description:
        - Round trip time in microseconds, retransmissions, the negotiated options, and the segment size in bytes.
        - Null if the attempt ended before.
      type: dict
      sample: {"rtt_us": 210, "retransmits": 0, "options": ["sack", "timestamps", "wscale"], "mss": 1448}
summary:
  description: How the attempts ended.
  returned: success
  type: dict
  contains:
    attempts:
      description: How many there were.
      type: int
      sample: 3
    connected:
      description: How many connected in time.
      type: int
      sample: 2
    timeout:
      description: How many got no answer in time.
      type: int
      sample: 0
    errors:
      description: How many ended with each error.
      type: dict
      sample: {"ECONNREFUSED": 1}
    unresolved:
      description: How many destinations have no address.
      type: int
      sample: 0
"""

import math
from collections import Counter
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._connect.probe import try_all
from ansible_collections.threeway.handshake.plugins.module_utils._connect.resolve import Dial, resolve
from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str"},
            "port": {"type": "int"},
            "destinations": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "address": {"type": "str", "required": True},
                    "port": {"type": "int", "required": True},
                    "source": {"type": "str"},
                    "timeout": {"type": "float"},
                },
            },
            "attempts": {"type": "int", "default": 3},
            "interval": {"type": "float", "default": 0.2},
            "timeout": {"type": "float", "default": 3.0},
            "patience": {"type": "float", "default": 2.0},
            "settle": {"type": "float", "default": 0.25},
        },
        mutually_exclusive=[("address", "destinations"), ("port", "destinations")],
        required_one_of=[("address", "destinations")],
        required_together=[("address", "port")],
        supports_check_mode=True,
    )
    try:
        dials = dials_of(module.params)
        resolved = resolve(dials)
        probes = try_all(resolved, patience=module.params["patience"], settle=module.params["settle"])
    except (ObserveError, OSError) as error:
        module.fail_json(msg=str(error))
    outcomes = Counter(probe["outcome"] for probe in probes)
    module.exit_json(
        changed=False,
        resolutions=[answer.record() for answer in resolved],
        probes=probes,
        summary={
            "attempts": len(probes),
            "connected": outcomes["connected"],
            "timeout": outcomes["timeout"],
            "errors": dict(Counter(probe["errno"] for probe in probes if probe["errno"])),
            "unresolved": sum(not answer.targets for answer in resolved),
        },
    )


def dials_of(params: dict[str, Any]) -> list[Dial]:
    """The destinations as dials. Raises ObserveError for a value out of its range."""
    for name, least, most in (("attempts", 1, 1000), ("interval", 0, 60), ("timeout", 0.001, 300), ("patience", 0, 60), ("settle", 0, 60)):
        in_range(name, params[name], least, most)
    destinations = params["destinations"]
    if destinations is None:
        destinations = [{"address": params["address"], "port": params["port"], "source": None, "timeout": None}]
    dials = []
    for index, each in enumerate(destinations):
        timeout = params["timeout"] if each["timeout"] is None else each["timeout"]
        in_range("port", each["port"], 1, 65535)
        in_range("timeout", timeout, 0.001, 300)
        source = each["source"]
        if source is not None:
            try:
                source = canonical(source)
            except ValueError as error:
                raise ObserveError(f"source is {source!r}: give an IP address of this host") from error
        dials.append(
            Dial(
                id=index,
                address=each["address"],
                port=each["port"],
                timeout=timeout,
                source=source,
                attempts=params["attempts"],
                interval=params["interval"],
            )
        )
    return dials


def in_range(name: str, value: float, least: float, most: float) -> None:
    """Raise ObserveError for a number out of its range."""
    if not (math.isfinite(value) and least <= value <= most):
        raise ObserveError(f"{name} is {value}: give a value from {least} to {most}")


if __name__ == "__main__":
    main()
