# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random conditions of iptables rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ._dice import IP_INTERFACES, UIDS, Dice

_ADDRESS_TYPES = ("LOCAL", "UNICAST", "BROADCAST", "MULTICAST")
_IN = ("PREROUTING", "INPUT", "FORWARD")
_OUT = ("FORWARD", "OUTPUT", "POSTROUTING")


class Conditions:
    """Makes the conditions of the rules of one program; `sets` afterwards tells the ipsets that they refer to."""

    def __init__(self, dice: Dice, version: int, prefix: str, lucky: bool) -> None:
        self._dice, self._version, self._prefix, self._lucky = dice, version, prefix, lucky
        self._sets: dict[str, str] = {}  # name -> commands
        self._directions: dict[str, int] = {}  # name -> how many of src, dst it takes
        self.stateful = False

    def sets(self) -> Iterator[str]:
        yield from self._sets.values()

    def some(self, table: str, hook: str) -> str:
        dice = self._dice
        protocol = dice.choices(("-p tcp", "", "! -p udp", "-p udp", "! -p tcp", "-p all"), (0.75, 0.17, 0.03, 0.02, 0.01, 0.02))[0]
        count = dice.choices((0, 1, 2, 3), (0.1, 0.5, 0.3, 0.1))[0]
        conditions = [protocol, *dict.fromkeys(self._one(table, hook, protocol == "-p tcp") for _turn in range(count))]
        if self._lucky and dice.chance(0.2):
            conditions.append(self._luck())
        parts = [part for part in _once(conditions) if part]
        parts[1:] = sorted(parts[1:], key=lambda part: part.startswith("-m "))  # what belongs to the protocol stands behind it
        return " ".join(parts)

    def _not(self, probability: float = 0.2) -> str:
        return "! " if self._dice.chance(probability) else ""

    def _one(self, table: str, hook: str, tcp: bool) -> str:
        dice, version = self._dice, self._version
        weighted: list[tuple[float, Callable[[], str]]] = [
            (4, lambda: f"{self._not()}{dice.pick('-s', '-d')} {dice.pick(dice.address(version), dice.prefix(version))}"),
            (1, self._iprange),
            (2, self._set),
            (3, self._conntrack),
            (1, lambda: f"-m state {self._not()}--state {dice.pick('NEW', 'ESTABLISHED', 'RELATED,ESTABLISHED', 'INVALID', 'UNTRACKED')}"),
            (1.2, lambda: self._addrtype(hook)),
            (1.5, lambda: f"-m mark {self._not()}--mark {hex(dice.mark())}{dice.pick('', '/0xf', '/0xff00')}"),
            (0.7, lambda: f"-m connmark {self._not()}--mark {hex(dice.mark())}{dice.pick('', '/0xf')}"),
            (0.5, lambda: '-m comment --comment "a comment"'),
            (0.6, lambda: f"-m length {self._not()}--length {dice.pick('40', '60', '40:60', '0:59', '64:1500')}"),
            (0.5, lambda: f"-m pkttype {self._not()}--pkt-type {dice.pick('unicast', 'broadcast', 'multicast')}"),
            (0.7, self._hops),
            (0.6, lambda: f"-m dscp {self._not()}--dscp {dice.pick('0', '4', '10', '46')}"),
            (0.4, lambda: f"-m tos {self._not()}--tos {dice.pick('0x10', '0x10/0x1f', '0xb8/0xff')}"),
            (0.3, lambda: f"-m time {dice.pick('--timestart 00:00 --timestop 23:59:59', '--weekdays Mon,Tue', '--datestart 2020-01-01')}"),
            (0.2, lambda: f"-m physdev {self._not()}--physdev-{'in' if hook in _IN else 'is-bridged'}{' port0' if hook in _IN else ''}"),
            (0.3, lambda: f"-m policy --dir {'in' if hook in _IN else 'out'} --pol none"),
            (0.3 if self._lucky else 0, lambda: f"-m cpu {self._not()}--cpu 3"),
        ]
        if tcp:
            weighted += [
                (5, lambda: f"{self._not()}{dice.pick('--dport', '--dport', '--dport', '--sport')} {self._ports()}"),
                (2, self._multiport),
                (1, self._flags),
                (0.5, lambda: f"{self._not()}--tcp-option {dice.pick(2, 3, 4, 8)}"),
                (0.6, lambda: f"-m tcpmss {self._not()}--mss {dice.pick('1460', '536', '1000:1460', '1:500')}"),
                (0.3, lambda: f"-m ecn {self._not()}{dice.pick('--ecn-tcp-cwr', '--ecn-tcp-ece', '--ecn-ip-ect 0', '--ecn-ip-ect 2')}"),
            ]
        if version == 4:
            weighted.append((0.5, lambda: f'-m u32 {self._not()}--u32 "{self._u32()}"'))
        if hook in _IN:
            weighted.append((2, lambda: f"{self._not()}-i {dice.pick(*IP_INTERFACES, 'e+', 'eth+', 'w+', 'br+')}"))
        if hook in _OUT:
            weighted.append((2, lambda: f"{self._not()}-o {dice.pick(*IP_INTERFACES, 'e+', 'eth+', 'w+', 'br+')}"))
        if hook in ("OUTPUT", "POSTROUTING"):
            weighted.append((1, self._owner))
        if hook in ("PREROUTING", "INPUT", "FORWARD"):
            weighted.append((0.5 if self._lucky else 0, lambda: f"-m mac {self._not()}--mac-source 02:00:00:00:00:2{dice.pick(0, 1, 2)}"))
            weighted.append((0.4, lambda: f"-m devgroup {self._not()}--src-group {dice.pick('0x7', '0x0')}"))
        if hook == "PREROUTING" and table in ("raw", "mangle"):
            weighted.append((0.2, lambda: f"-m rpfilter{dice.pick('', ' --invert', ' --loose')}"))
        return dice.one_of(weighted)

    # -- transport

    def _ports(self) -> str:
        dice = self._dice
        return dice.pick(str(dice.any_port()), str(dice.port()), "{}:{}".format(*dice.port_range()), f":{dice.port()}", f"{dice.port()}:")

    def _multiport(self) -> str:
        dice = self._dice
        ports = [str(dice.any_port()) for _turn in range(dice.randint(1, 5))]
        if dice.chance(0.3):
            ports.append("{}:{}".format(*dice.port_range()))
        return f"-m multiport {self._not()}{dice.pick('--dports', '--dports', '--sports', '--ports')} {','.join(dict.fromkeys(ports))}"

    def _flags(self) -> str:
        return self._not() + self._dice.pick(
            "--syn",
            "--tcp-flags FIN,SYN,RST,ACK SYN",
            "--tcp-flags SYN,ACK SYN,ACK",
            "--tcp-flags ACK ACK",
            "--tcp-flags ALL NONE",
            "--tcp-flags SYN,RST,ACK,FIN ACK",
        )

    # -- addresses

    def _iprange(self) -> str:
        return f"-m iprange {self._not()}{self._dice.pick('--src-range', '--dst-range')} {self._dice.address_range(self._version)}"

    def _addrtype(self, hook: str) -> str:
        dice = self._dice
        types = [name for name in _ADDRESS_TYPES if self._version == 4 or name != "BROADCAST"]
        limit = " --limit-iface-in" if hook in ("PREROUTING", "INPUT") and dice.chance(0.2) else ""
        return f"-m addrtype {self._not()}{dice.pick('--dst-type', '--src-type')} {dice.choice(types)}{limit}"

    def _set(self) -> str:
        dice = self._dice
        if not self._sets or dice.chance(0.7):
            self._new_set()
        name = dice.choice(list(self._sets))
        directions = ",".join(dice.pick("src", "dst") for _turn in range(self._directions[name]))
        return f"-m set {self._not()}--match-set {name} {directions}"

    def set_target(self) -> str:
        """SET changes a set, so that later packets meet another."""
        dice = self._dice
        self.stateful = True
        if not self._sets:
            self._new_set()
        name = dice.choice(list(self._sets))
        directions = ",".join(dice.pick("src", "dst") for _turn in range(self._directions[name]))
        return f"SET --{dice.pick('add', 'del')}-set {name} {directions}"

    def _new_set(self) -> None:
        dice, version = self._dice, self._version
        kinds: dict[str, tuple[int, Callable[[], str]]] = {
            "hash:ip": (1, lambda: dice.address(version)),
            "hash:net": (1, lambda: dice.prefix(version) + dice.pick("", "", " nomatch")),
            "hash:ip,port": (2, lambda: f"{dice.address(version)},tcp:{dice.port()}"),
            "hash:net,port": (2, lambda: f"{dice.prefix(version)},{dice.port()}"),
            "hash:ip,port,ip": (3, lambda: f"{dice.address(version)},{dice.port()},{dice.address(version)}"),
            "hash:ip,port,net": (3, lambda: f"{dice.address(version)},{dice.port()},{dice.prefix(version)}"),
            "hash:net,iface": (2, lambda: f"{dice.prefix(version)},{dice.choice(IP_INTERFACES)}"),
            "bitmap:port": (1, lambda: str(dice.port())),
        }
        if version == 4:
            kinds["bitmap:ip"] = (1, lambda: f"10.0.0.{dice.pick(1, 9, 10, 130)}")
        kind = dice.choice(list(kinds))
        name = f"{self._prefix}s{len(self._sets)}"
        options = {"bitmap:port": "range 1-65535", "bitmap:ip": "range 10.0.0.0/24"}.get(
            kind, f"family {'inet' if version == 4 else 'inet6'}"
        )
        members = {kinds[kind][1]() for _turn in range(dice.randint(0, 6))}
        commands = [f"create {name} {kind} {options}{dice.pick('', '', ' timeout 300') if kind.startswith('hash') else ''}"]
        commands += [f"add {name} {member} -exist" for member in sorted(members)]
        self._sets[name], self._directions[name] = "\n".join(commands) + "\n", kinds[kind][0]
        if kind == "hash:ip" and dice.chance(0.2):
            listing = f"{self._prefix}l{len(self._sets)}"
            self._sets[listing] = f"create {listing} list:set\nadd {listing} {name}\n"
            self._directions[listing] = 1

    # -- connections

    def _conntrack(self) -> str:
        dice = self._dice
        address, port = dice.address(self._version), dice.port()
        return (
            f"-m conntrack {self._not()}"
            + dice.pick(
                "--ctstate NEW",
                "--ctstate ESTABLISHED,RELATED",
                "--ctstate INVALID",
                "--ctstate UNTRACKED",
                "--ctstate NEW,UNTRACKED",
                "--ctstate DNAT",
                "--ctstate SNAT",
                "--ctstatus SEEN_REPLY",
                "--ctstatus ASSURED",
                "--ctstatus CONFIRMED",
                "--ctstatus NONE",
                f"--ctproto {dice.pick('tcp', 'udp')}",
                f"--ctorigsrc {address}",
                f"--ctorigdst {address}",
                f"--ctreplsrc {address}",
                f"--ctorigdstport {port}",
                f"--ctreplsrcport {port}",
            )
            if dice.chance(0.9)
            else f"-m conntrack --ctdir {dice.pick('ORIGINAL', 'REPLY')}"
        )

    def _owner(self) -> str:
        dice = self._dice
        choices = [f"--uid-owner {dice.choice(UIDS)}", "--uid-owner 1000-1001", "--socket-exists"]
        return f"-m owner {self._not()}" + dice.choice(choices + ["--gid-owner 0"] * self._lucky)

    # -- the IP header

    def _hops(self) -> str:
        dice = self._dice
        if self._version == 6:
            return f"-m hl {dice.pick('--hl-eq 64', '! --hl-eq 64', '--hl-lt 64', '--hl-gt 63')}"
        return f"-m ttl {dice.pick('--ttl-eq 64', '! --ttl-eq 64', '--ttl-lt 64', '--ttl-gt 63')}"

    def _u32(self) -> str:
        dice = self._dice
        return dice.pick(
            f"0>>22&0x3C@0&0xFFFF={dice.port()}",
            "6&0xFF=6",
            "12=0x0a000009,0x0a000109",
            "0&0xFFFF=40:60",
            "6&0xFF=6 && 0>>22&0x3C@12>>16&0x2=0x2",
            "8>>24=60:65",
        )

    # -- luck

    def _luck(self) -> str:
        self.stateful = True
        return self._dice.pick(
            "-m limit --limit 5/sec --limit-burst 2",
            "-m statistic --mode random --probability 0.5",
            "-m statistic --mode nth --every 2 --packet 0",
            "-m hashlimit --hashlimit-upto 5/sec --hashlimit-mode srcip --hashlimit-name h1",
            "-m recent --name r1 --set",
            "-m recent --name r1 --rcheck --seconds 60",
            "-m connlimit --connlimit-above 2",
            "-m quota --quota 100000",
            "-m string --algo bm --string abc",
        )


def _once(parts: list[str]) -> list[str]:
    """Without what may stand only once in a rule: the first of each option and of each match."""
    kept: dict[str, str] = {}
    for part in parts:
        words = part.split()
        key = " ".join(words[:2]) if words[:1] == ["-m"] else next((word for word in words if word != "!"), "")
        key = "--tcp-flags" if key == "--syn" else key
        kept.setdefault(key, part)
    return list(kept.values())
