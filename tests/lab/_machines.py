# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests do with the hosts of a fleet, whatever the hosts are made of."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:  # of Python 3.11
    from typing import Self, Unpack

from ._handle import PATIENCE, FleetError, Handle
from .playbooks import Done, Playbooks, Run

HERE = Path(__file__).absolute().parent
FABRIC = "fabric"


class DialOptions(TypedDict, total=False):
    """How else a client may dial."""

    source: str | None
    source_port: int
    mark: int | None
    md5: str | None  # key (RFC 2385)
    user: str | None


DIAL_DEFAULTS: DialOptions = {"source": None, "source_port": 0, "mark": None, "md5": None, "user": None}


class Machines(ABC):
    """A running fleet. Use as a context manager; everything that was started ends with it."""

    hosts: list[str]
    directory: Path
    inventory: Path
    python = sys.executable  # on the hosts
    tools = HERE  # where the hosts find this directory
    port = 5432  # of the service that a test is about
    kept: Callable[[Path], object] | None = None
    """What is asked about the directory of a fleet that ends well."""

    def __init__(self) -> None:
        self._handles: list[Handle] = []
        self._playbooks: Playbooks | None = None
        self.afterwards = ExitStack()
        """What is undone when the fleet ends."""

    @abstractmethod
    def enter(self, host: str) -> list[str]:
        """What to put in front of a command that is to run as root on `host`, or on the switches: `FABRIC`."""

    @abstractmethod
    def up(self) -> None: ...

    @abstractmethod
    def down(self) -> None: ...

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None and Machines.kept is not None:
                Machines.kept(self.directory)
        finally:
            self._end()

    def _end(self) -> None:
        try:
            for handle in reversed(self._handles):
                handle.close()
        finally:
            with ExitStack() as both:
                both.callback(self.down)
                both.callback(self.afterwards.close)

    # Programs

    def run(self, host: str, argv: Sequence[str], check: bool = True, input: str | None = None, timeout: float = 60.0) -> Done:
        """Run a program as root on a host; FleetError with its output when it fails and `check` is set."""
        done = subprocess.run([*self.enter(host), *argv], input=input or "", capture_output=True, text=True, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise FleetError(f"{host}: {' '.join(argv)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
        return done

    def popen(self, host: str, argv: Sequence[str]) -> Handle:
        """Start a program as root on a host, with pipes for its standard streams."""
        pipe = subprocess.PIPE
        handle = Handle(subprocess.Popen([*self.enter(host), *argv], stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        self._handles.append(handle)
        return handle

    def _tool(self, host: str, name: str, *arguments: str, patience: float = PATIENCE) -> Handle:
        """Start one of the programs of this directory on a host and wait for its answer."""
        handle = self.popen(host, [self.interpreter(host), "-B", str(self.tools / name), *arguments])
        handle.await_answer(patience)
        return handle

    def interpreter(self, host: str) -> str:
        """The Python of what runs on a host."""
        return self.python

    def playbook(self, *arguments: str, check: bool = True, timeout: float = 300.0, forks: int | None = None) -> Done:
        """`ansible-playbook -i INVENTORY arguments...` in the fleet's directory; with `check`, FleetError when it fails."""
        argv = self._of_the_fleet(f"--forks={forks or len(self.hosts)}", *arguments)
        done = self.playbooks().run(argv, self.directory, self.environment(), timeout)
        if check and done.returncode != 0:
            raise FleetError(f"ansible-playbook {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def start_playbook(self, log: IO[str], *arguments: str) -> Run:
        """Start the same in the background, with what it says in a file."""
        return self.playbooks().start(self._of_the_fleet(*arguments), self.directory, self.environment(), log, log)

    def _of_the_fleet(self, *arguments: str) -> list[str]:
        return [f"--inventory={self.inventory}", *arguments]

    def playbooks(self) -> Playbooks:
        """What runs them, where the hosts can be reached."""
        if self._playbooks is None:
            self._playbooks = Playbooks(self.controller())
            self.afterwards.callback(self._playbooks.close)
        return self._playbooks

    def controller(self) -> list[str]:
        """What to put in front of Ansible so that it reaches the hosts."""
        return []

    def environment(self) -> dict[str, str]:
        """The environment for Ansible: this checkout's collection, and no configuration of the user's.

        With PYTHONUNBUFFERED, Python would read its program from Ansible byte by byte: a third of what a diagnosis costs.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
        return {
            **kept,
            "ANSIBLE_CONFIG": str(HERE / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(collections_root()),
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONPATH": str(HERE / "site"),
        }

    # State

    def write(self, host: str, path: str, text: str) -> None:
        """Replace a file on a host (/etc and /run are the host's own)."""
        self.run(host, ["tee", path], input=text)

    def sysctl(self, host: str, key: str, value: object) -> None:
        """Set a sysctl, whose name is written with dots."""
        self.write(host, "/proc/sys/" + key.replace(".", "/"), str(value))

    def link_address(self, host: str, interface: str = "eth0") -> str:
        return self.run(host, ["cat", f"/sys/class/net/{interface}/address"]).stdout.strip()

    def nft(self, host: str, ruleset: str) -> None:
        """Load nftables commands, all or none; $port in them is the service's port."""
        self.run(host, ["nft", "-f", "-"], input=self.with_port(ruleset))

    def with_port(self, text: str) -> str:
        """A text with the service's port in place of $port."""
        return text.replace("$port", str(self.port))

    # Handshakes

    def connect(self, client: str, address: str, port: int, timeout: float = 3.0, **options: Unpack[DialOptions]) -> str:
        """What the kernel says to connect(): "connected", an errno's name, or "timeout" when it said nothing within `timeout` seconds."""
        return self.connects(client, address, port, 1, timeout, **options)[0]

    def connects(self, client: str, address: str, port: int, count: int, timeout: float = 3.0, **options: Unpack[DialOptions]) -> list[str]:
        """As `connect`, `count` times at once."""
        with self.hold(client, address, port, count, timeout, **options) as handle:
            return [str(outcome) for outcome in handle.answer]

    def hold(self, client: str, address: str, port: int, count: int = 1, timeout: float = 3.0, **options: Unpack[DialOptions]) -> Handle:
        """Connect `count` times at once and keep what connected until the handle is closed; its `answer` is the list of outcomes.

        Against a listener that is `silent` this fills its accept queue.
        """
        order = {"address": address, "port": port, "count": count, "timeout": timeout, **DIAL_DEFAULTS, **options}
        return self._tool(client, "dial.py", json.dumps(order), patience=timeout + PATIENCE)

    def await_listener(self, host: str, port: int) -> None:
        """Wait until a program that was started there listens on a TCP port, which takes as long as `run` waits at most."""
        self.run(host, ["sh", "-c", f"until ss -Hltn sport = :{port} | grep -q .; do sleep 0.05; done"])

    def listen(
        self,
        host: str,
        address: str,
        port: int,
        backlog: int = 128,
        behaviour: str = "accepting",
        *,
        v6only: bool = False,
        device: str | None = None,
        md5: tuple[str, str] | None = None,
        defer_accept: int = 0,
        min_ttl: int = 0,
        mark: int = 0,
        filtered: bool = False,
        descriptors: int = 0,
    ) -> Handle:
        """A TCP listener on a host; the handle's `answer` is its process id there.

        behaviour: `accepting` keeps connections, `silent` never accepts, `closing` closes at once (FIN), `resetting` resets at once
        (RST), `greeting` sends a line. md5: (peer, key). defer_accept: seconds. filtered: a socket filter drops everything.
        descriptors: limit of open files.
        """
        options = {
            "backlog": backlog,
            "behaviour": behaviour,
            "defer-accept": defer_accept,
            "min-ttl": min_ttl,
            "mark": mark,
            "descriptors": descriptors,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        arguments += [f"--device={device}"] if device else []
        arguments += ["--md5", *md5] if md5 else []
        arguments += [f"--{name}" for name, wanted in (("v6only", v6only), ("filtered", filtered)) if wanted]
        return self._tool(host, "serve.py", address, str(port), *arguments)

    def prefork(self, host: str, address: str, port: int, backlog: int = 128, shared: bool = False) -> Handle:
        """A server with two workers, each with a listening socket of its own, or a shared one; `answer` has their process ids there."""
        return self._tool(host, "prefork.py", address, str(port), f"--backlog={backlog}", *["--shared"] * shared)

    def reader(self, host: str, queue: int, verdict: str) -> Handle:
        """A program that reads an NFQUEUE and says `drop` or `accept` on each packet."""
        return self._tool(host, "queue_reader.py", str(queue), verdict)

    def flood(
        self,
        host: str,
        address: str,
        port: int,
        count: int = 200,
        rate: float = 1000.0,
        sources: str = "198.51.100.0/24",
        wait: bool = True,
    ) -> Handle:
        """Send `count` SYNs from invented addresses out of `sources`, `rate` a second; `wait` until they are sent."""
        order = {"address": address, "port": port, "count": count, "rate": rate, "sources": sources, "seed": 1}
        handle = self.popen(host, [self.python, "-B", str(self.tools / "flood.py"), json.dumps(order)])
        if wait:
            handle.await_answer(count / rate + PATIENCE)
        return handle

    # The way

    def relay(
        self, host: str, interface: str, outbound: Mapping[str, Any] | None = None, inbound: Mapping[str, Any] | None = None, seed: int = 1
    ) -> Handle:
        """Put a relay between a host's interface and its switch until the handle is closed.

        outbound treats what the host sends, inbound what it gets; each may have `delay` and `jitter` (seconds; jitter reorders), `loss`
        and `duplicate` (probabilities), and `alter`: Python source that defines `alter(frame: bytes) -> list[bytes]`. A frame is an
        Ethernet frame whose TCP checksum may still be left to the device, as between containers.
        """
        port = f"{host}.{interface}"
        link = json.loads(self.run(FABRIC, ["ip", "-json", "link", "show", "dev", port]).stdout)[0]
        if "master" not in link:
            raise FleetError(f"{port} has a relay already.")
        near, far = f"near{link['ifindex']}", f"far{link['ifindex']}"
        insert = [
            f"link set {port} nomaster",
            f"link add {near} up type veth peer name {far}",
            f"link set {far} up master {link['master']}",
        ]
        self.run(FABRIC, ["ip", "-batch", "-"], input="\n".join([*insert, ""]))
        order = {"near": port, "far": near, "outbound": _treatment(outbound), "inbound": _treatment(inbound), "seed": seed}
        handle = self.popen(FABRIC, [sys.executable, "-B", str(HERE / "relay.py"), json.dumps(order)])

        def plug_back() -> None:
            self.run(FABRIC, ["ip", "-batch", "-"], input=f"link delete {near}\nlink set {port} master {link['master']}\n")

        handle.on_close(plug_back)
        handle.await_answer()
        return handle


def _treatment(wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"delay": 0.0, "jitter": 0.0, "loss": 0.0, "duplicate": 0.0, "alter": None, **(wanted or {})}


def collections_root() -> Path:
    """The directory that ansible_collections/threeway/handshake, this checkout, is reached through."""
    for parent in HERE.parents:
        if parent.name == "ansible_collections":
            return parent.parent
    return HERE.parent.parent / "build" / "collections"


def missing_tools(*names: str) -> list[str]:
    return [name for name in names if shutil.which(name) is None]
