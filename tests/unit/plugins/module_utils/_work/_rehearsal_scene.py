# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `test_rehearsal.py` runs on its host: a rehearsal, the change, and connections before and after. Without pytest, whose import
takes longer than all of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

CLIENT, SERVER = "10.9.0.2", "10.9.0.1"


def _main(other: str, mode: str) -> None:
    from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
    from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.change import carry_out, plan
    from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.loaded import Place
    from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.words import Accepted, digest
    from ansible_collections.threeway.handshake.plugins.module_utils._firewall.verdicts import observe
    from ansible_collections.threeway.handshake.plugins.module_utils._guard.nftables_messages import send
    from ansible_collections.threeway.handshake.plugins.module_utils._work import rehearsal
    from ansible_collections.threeway.handshake.plugins.module_utils._work.rehearsal import rehearse
    from ansible_collections.threeway.handshake.plugins.module_utils._work.rehearsed import Rule

    def run(command: list[str], data: str | None = None) -> tuple[int, str, str]:
        try:
            done = subprocess.run(command, input=data, capture_output=True, text=True, check=False)
        except OSError as error:
            return 127, "", str(error)
        return done.returncode, done.stdout, done.stderr

    def connects() -> dict[str, bool]:
        """The flow, and its neighbours: another port, another source, another destination, another way."""
        return {
            "flow": _connects(other, CLIENT, SERVER, 5432),
            "port": _connects(other, CLIENT, SERVER, 5433),
            "source": _connects(other, "10.9.0.3", SERVER, 5432),
            "destination": _connects(other, CLIENT, "10.9.0.5", 5432),
            "way": _connects(other, CLIENT, SERVER, 5432, "w1"),
        }

    listening = [_listen(device, port) for device, port in (("", 5432), ("", 5433), ("w0", 5432))]
    packet = {"packet": "syn", "direction": "in", "source": CLIENT, "destination": SERVER, "port": 5432, "interface": "v0"}
    (verdict,) = observe([packet], run)["verdicts"]
    rule, ways = verdict["change"]["before"], [verdict["change"].get(f"{way}_interface") for way in ("in", "out")]
    accepted = Accepted(CLIENT, SERVER, 5432, None, False, *ways)
    variant = "nft" if rule["manager"] == "nftables" else f"iptables-{'legacy' if rule['legacy'] else 'nft'}"
    place = Place(variant, rule["family"], rule["table"], rule["chain"])
    known = digest(rule["text"]) if rule["number"] else None
    told: dict[str, Any] = {"before": connects()}
    listed = _listed(run)
    if mode == "refusing":
        late = Rule(Place("nft", "inet", "t", "input"), accepted, None)
        gone = Rule(Place("nft", "inet", "t", "input"), accepted, "0123456789abcdef")
        good = Rule(place, accepted, known)
        wide = Rule(place, Accepted(CLIENT, SERVER, 5433, None, False), known)
        run(["nft", "add rule inet t input tcp dport 5433 drop"])
        answer = {"packet": "syn_ack", "direction": "out", "source": SERVER, "source_port": 5432, "destination": CLIENT, "port": 40000}
        run(["nft", "add chain inet t output { type filter hook output priority 0; }; add rule inet t output tcp sport 5432 drop"])
        told["answered"] = rehearse(run, [([good], [packet, answer]), ([good], [answer, packet])], alone=True)
        told["rehearsed"] = rehearse(
            run, [([late], [packet]), ([gone], [packet]), ([good, wide], [packet]), ([good], [packet]), ([wide], [packet]), ([], [packet])]
        )
    elif mode == "hurrying":

        def slowly(command: list[str], data: str | None = None) -> tuple[int, str, str]:
            """Programs take long where there are many rules."""
            time.sleep(2.0 if command == ["nft", "-s", "list", "ruleset"] else 0.0)
            return run(command, data)

        told["rehearsed"] = rehearse(slowly, [([Rule(place, accepted, known)], [packet])] * 2, seconds=1.9)
        try:
            rehearse(slowly, [([], [packet])], seconds=0.9)
        except ObserveError as error:
            told["refused"] = str(error)
    elif mode == "linkless":
        rehearsal.registered = lambda: ["none-of-the-kernels"]
        told["rehearsed"] = rehearse(run, [([Rule(place, accepted, known)], [packet])])
    elif mode == "opening":
        told["sent"] = []
        sys.setprofile(lambda frame, _event, _what: told["sent"].append(1) if frame.f_code is send.__code__ else None)
        told["rehearsed"] = rehearse(run, [([Rule(place, accepted, known)], [packet])])
        sys.setprofile(None)
        told["untouched"] = _listed(run) == listed
        carry_out(run, place, accepted, plan(run, place, accepted, known, None, True))
    else:
        told["command"] = list(verdict["change"]["commands"])
        while verdict["then"]["verdict"] in ("drop", "reject"):
            verdict = verdict["then"]
            told["command"] += verdict["change"]["commands"]
        told["then"] = verdict["then"]["verdict"]
        for command in told["command"]:
            subprocess.run(["sh", "-ec", command], check=True, capture_output=True)
    told["after"] = connects()
    print(json.dumps(told))
    for each in listening:
        each.close()


def _listed(run: Any) -> list[str]:
    import re

    texts = [run(command)[1] for command in (["nft", "-s", "list", "ruleset"], ["iptables-legacy-save"])]
    return [line for text in texts for line in re.sub(r"\[\d+:\d+\]", "", text).splitlines() if not line.startswith("#")]


def _listen(device: str, port: int) -> Any:
    import socket

    listener = socket.socket()  # Python 3.7 has no create_server
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())  # so that answers leave by it
    listener.bind(("", port))
    listener.listen(64)
    return listener


def _connects(other: str, source: str, destination: str, port: int, device: str = "") -> bool:
    code = (
        f"import socket; s = socket.socket(); s.settimeout(0.4); s.setsockopt(socket.SOL_SOCKET, 25, {device.encode()!r}); "  # BINDTODEVICE
    )
    code += f"s.bind(({source!r}, 0)); s.connect(({destination!r}, {port}))"
    command = ["nsenter", "--target", other, "--net", sys.executable, "-Sc", code]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    _main(*sys.argv[1:])
