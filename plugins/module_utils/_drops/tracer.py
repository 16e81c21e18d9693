# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Ask the kernel about each packet of some handshakes that it drops: why, and in which function.

BPF programs on raw tracepoints pass on what concerns the handshakes, and nothing else. They and all that they fill are gone when the last
descriptor of this process is, however it ends. Nothing is changed on the host, and no packet fares differently.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import struct
import time
import typing as t

from .._errors import DecodeError
from .._wire.addresses import canonical
from . import bpf_call, layout, program, reasons, records, symbols
from .absence import Unavailable
from .event import Event
from .records import Flow
from .ring import RingBuffer
from .routines import Choice, Maps

MAX_FLOWS = 4096
MAX_EVENTS = 5000
RING_BYTES = 1 << 19  # some 1,500 records that nobody has fetched yet

_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")
_TRACING = ("bpf_prog_", "bpf_trace_run", "__traceiter_")  # functions that lead from the tracepoint to the program
_NOTHING, _NUMBER = bytes(4), struct.Struct("=Q")
_RECORDS = {layout.KFREE_SKB: records.DROP, layout.SEND_RESET: records.RESET, layout.RETRANSMIT_SYNACK: records.SYN_ACK_AGAIN}


def own_namespace() -> int:
    """The inode of the network namespace of this thread."""
    return os.stat("/proc/thread-self/ns/net").st_ino


class Tracer:
    """A trace from its making on, until `close`, the end of a `with`, or so many seconds later."""

    how = "bpf"

    def __init__(self, flows: t.Iterable[Flow], namespace: int | None = None, seconds: float = 60.0) -> None:
        """`namespace`: only what happens in the network namespace with this inode. Unavailable where the kernel cannot be asked like that.

        ValueError for a flow whose addresses or port are none.
        """
        self.missing: list[Unavailable] = []  # tracepoints that this kernel does not have
        self.truncated: str | None = None  # events | deadline: what ended the trace before its time
        chosen = list(dict.fromkeys(map(_canonical, flows)))
        self._flows, self.left_out = frozenset(chosen[:MAX_FLOWS]), len(chosen[MAX_FLOWS:])  # left_out: flows that are not traced
        self._unread = self._lost = 0
        self._closed = False
        self._raw: list[tuple[int, records.Raw]] = []  # with the time since the epoch
        self._events: list[Event] = []
        self._held: list[int] = []
        self._deadline = time.monotonic() + seconds
        with contextlib.ExitStack() as undo:
            self._maps = self._make_maps(undo)  # first: it is where the kernel refuses
            self._layout = layout.read()
            self._attached = undo.enter_context(contextlib.ExitStack())
            self._attach(namespace)
            self._open = undo.pop_all()

    def __enter__(self) -> Tracer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Readable when there is something to `collect`."""
        return self._ring.fileno()

    def descriptors(self) -> list[int]:
        """All that the trace lives by, as long as it does."""
        return [self.fileno(), *self._held]

    @property
    def lost(self) -> int:
        """Events for which there was no room, since they came faster than they were collected, or could not be read."""
        if not self._closed:
            self._count()
        return self._unread + self._lost

    def collect(self) -> None:
        """Take what the kernel has reported; does not wait."""
        if self.truncated is not None and not self._closed:  # what nobody fetches keeps the descriptor readable
            self._unread += sum(1 for _record in self._ring.records())
        elif not self._closed:
            ahead = time.time_ns() - time.monotonic_ns()  # of the one clock before the other
            for record in self._ring.records():
                self._keep(record, ahead)
                if len(self._raw) + len(self._events) >= MAX_EVENTS:
                    self._end("events")
                    return
            if time.monotonic() > self._deadline:
                self._end("deadline")

    def events(self) -> list[Event]:
        """All up to now, in the order of time."""
        self.collect()
        raw, self._raw = self._raw, []
        names = symbols.functions(address for _time_ns, one in raw for address in one.code())
        self._events = sorted([*self._events, *(self._event(time_ns, one, names) for time_ns, one in raw)], key=lambda event: event.time_ns)
        return list(self._events)

    def close(self) -> None:
        """End the trace; what it has reported until now stays."""
        if not self._closed:
            self._attached.close()
            self.collect()
            self._count()
            self._closed = True
            self._open.close()

    def _count(self) -> None:
        (self._lost,) = _NUMBER.unpack(bpf_call.look_up(self._maps.lost, _NOTHING, _NUMBER.size))

    def _make_maps(self, undo: contextlib.ExitStack) -> Maps:
        try:
            self._ring = RingBuffer(RING_BYTES)
            undo.callback(self._ring.close)
            keys = {key for flow in self._flows for key in records.keys(flow)}
            flows = self._hold(bpf_call.create_map(bpf_call.HASH, records.KEY_SIZE, 1, max(1, len(keys))), undo)
            lost = self._hold(bpf_call.create_map(bpf_call.ARRAY, len(_NOTHING), _NUMBER.size, 1), undo)
            for key in keys:
                bpf_call.update(flows, key, b"\1")
        except OSError as error:
            raise _refused(error, "the kernel makes no BPF map for a trace of drops (the ring buffer came with Linux 5.8)") from error
        return Maps(flows, self._ring.fileno(), lost)

    def _hold(self, descriptor: int, undo: contextlib.ExitStack) -> int:
        """Close a descriptor with the others."""
        undo.callback(os.close, descriptor)
        self._held.append(descriptor)
        return descriptor

    def _attach(self, namespace: int | None) -> None:
        wildcards = any(flow.client is None for flow in self._flows)
        for tracepoint in layout.TRACEPOINTS:
            try:
                self._attach_to(tracepoint, namespace, wildcards)
            except Unavailable as error:
                if tracepoint == layout.KFREE_SKB:
                    raise
                self.missing.append(error)

    def _attach_to(self, tracepoint: str, namespace: int | None, wildcards: bool) -> None:
        arguments = self._layout.arguments.get(tracepoint)
        if arguments is None:
            raise Unavailable("tracepoint", tracepoint, f"this kernel has no tracepoint {tracepoint} with arguments that are known")
        normal = reasons.normal(self._layout.drop_reasons) if tracepoint == layout.KFREE_SKB else ()
        choice = Choice(namespace, wildcards, normal)
        code = program.build(_RECORDS[tracepoint], arguments, self._layout, self._maps, choice)
        try:
            loaded = bpf_call.load(bpf_call.RAW_TRACEPOINT, code, "handshake_drops")
        except OSError as error:
            if error.errno == errno.EPERM:
                raise _refused(error, "the kernel takes no BPF program") from error
            raise Unavailable("program", tracepoint, f"the kernel does not take the program for {tracepoint}: {error.strerror}") from error
        try:
            self._hold(bpf_call.attach(tracepoint, loaded), self._attached)
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise Unavailable("tracepoint", tracepoint, f"this kernel has no tracepoint {tracepoint}") from error
            raise _refused(error, f"the kernel runs no program at {tracepoint}") from error
        finally:
            os.close(loaded)

    def _keep(self, record: bytes, ahead: int) -> None:
        try:
            raw = records.decode(record)
        except DecodeError:
            self._unread += 1
            return
        # The program lets what has extension headers of IPv6 pass by its addresses alone.
        if raw and records.belongs(raw.segment, self._flows):
            self._raw.append((raw.time_ns + ahead, raw))

    def _event(self, time_ns: int, raw: records.Raw, names: dict[int, str]) -> Event:
        code = list(itertools.dropwhile(lambda name: name and name.startswith(_TRACING), map(names.get, raw.code())))
        function = code[0] if code else None
        flags = raw.segment.flags
        numbers = self._layout.reset_reasons if raw.kind == records.RESET else self._layout.drop_reasons
        reason = None if raw.kind == records.SYN_ACK_AGAIN else reasons.name(raw.reason, numbers, self._layout.subsystems)
        freed = raw.kind == records.DROP and reasons.is_freed(reason, function)
        return Event(
            kind="freed" if freed else records.KINDS[raw.kind],
            time_ns=time_ns,
            source=raw.segment.source,
            source_port=raw.segment.source_port,
            destination=raw.segment.destination,
            destination_port=raw.segment.destination_port,
            flags=None if flags is None else tuple(name for bit, name in enumerate(_FLAGS) if flags >> bit & 1),
            sequence=raw.segment.sequence,
            reason=reason,
            function=function,
            callers=symbols.callers(code[1:]),
            namespace=raw.namespace or None,
            interface=raw.interface or None,
            cgroup=raw.cgroup or None,
        )

    def _end(self, why: str) -> None:
        self.truncated = why
        self._attached.close()


def _refused(error: OSError, what: str) -> Unavailable:
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    need = " (it takes root, or CAP_BPF and CAP_PERFMON: run with become)" if error.errno in bpf_call.REFUSED else ""
    return Unavailable("call", f"{bpf_call.BPF} {name}", f"{what}: {error.strerror}{need}")


def _canonical(flow: Flow) -> Flow:
    return Flow(None if flow.client is None else canonical(flow.client), canonical(flow.server), flow.port)
