# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""If BPF is refused, use the tracepoint skb:kfree_skb as it is: it gives reason and function of a drop, but not whose packet it was.

tracefs says what the event looks like, perf_event_open(2) delivers it. An instance of tracefs would stay behind a process that is killed;
this is gone with its descriptors.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import re
import select
import struct
import time
import typing as t

from . import bpf_call, reasons, symbols
from .absence import Unavailable
from .event import Event

MAX_EVENTS = 5000
PAGES = 32  # of memory for each processor, a power of two

_TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_EVENT = "events/skb/kfree_skb"
_FIELD = re.compile(r"field:.*?(\w+);\s*offset:(\d+);\s*size:(\d+);")
_NAME = re.compile(r'\{ (\d+), "(\w+)" \}')

_TRACEPOINT, _ATTRIBUTES_SIZE = 2, 112  # PERF_TYPE_TRACEPOINT, PERF_ATTR_SIZE_VER5
_SAMPLE_TYPE = 1 << 2 | 1 << 5 | 1 << 10  # PERF_SAMPLE_TIME, CALLCHAIN, RAW
_DISABLED, _NO_USER_STACK, _WITH_CLOCK = 1 << 0, 1 << 22, 1 << 25
_ATTRIBUTES = struct.Struct("=IIQQQQQIIQQQQIiQIHH")
_CLOSE_ON_EXEC, _ENABLE, _SET_FILTER = 8, 0x2400, 0x40082406  # PERF_FLAG_FD_CLOEXEC, PERF_EVENT_IOC_*
_HEAD, _TAIL = 1024, 1032  # in struct perf_event_mmap_page
_POSITION, _HEADER, _LOST_COUNT = struct.Struct("=Q"), struct.Struct("=IHH"), struct.Struct("=8xQ")
_LOST, _SAMPLE = 2, 9  # PERF_RECORD_*
_CONTEXT = 1 << 63 | 0x7FFFFFFFFFFFF000  # from here on, what seems an address is a mark between parts of the stack
_STACK = 16


class _Format(t.NamedTuple):
    """What the event is: its number, offset and size of its fields, and its reasons by name."""

    number: int
    fields: dict[str, tuple[int, int]]
    names: dict[int, str]


class _Sample(t.NamedTuple):
    time_ns: int
    location: int
    reason: int
    stack: tuple[int, ...]


class TracepointTracer:
    """The same as `tracer.Tracer`, for all packets of IPv4 and IPv6 that this machine drops: events have no addresses, ports and flags."""

    how = "tracepoint"

    def __init__(self, seconds: float = 60.0) -> None:
        """Unavailable where it cannot be done."""
        self.truncated: str | None = None
        self.lost = self.left_out = 0
        self.missing: list[Unavailable] = []
        self._format = _read_format()
        self._samples: list[_Sample] = []
        self._events: list[Event] = []
        self._held: list[int] = []
        self._deadline = time.monotonic() + seconds
        with contextlib.ExitStack() as undo:
            self._poll = undo.enter_context(contextlib.closing(select.epoll()))
            self._buffers = [self._open_on(processor, undo) for processor in _processors()]
            self._open = undo.pop_all()

    def __enter__(self) -> TracepointTracer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Readable when there is something to `collect`."""
        return self._poll.fileno()

    def descriptors(self) -> list[int]:
        """All that the trace lives by."""
        return [self.fileno(), *self._held]

    def collect(self) -> None:
        """Take what the kernel has reported; does not wait."""
        if self.truncated is not None:
            return
        ahead = time.time_ns() - time.monotonic_ns()
        for buffer in self._buffers:
            for kind, body in _records(buffer):
                if kind == _LOST:
                    self.lost += _LOST_COUNT.unpack_from(body)[0]
                elif kind == _SAMPLE:
                    self._samples.append(self._sample(body, ahead))
        if len(self._samples) + len(self._events) > MAX_EVENTS:
            del self._samples[max(0, MAX_EVENTS - len(self._events)) :]
            self._end("events")
        elif time.monotonic() > self._deadline:
            self._end("deadline")

    def events(self) -> list[Event]:
        """All up to now, in the order of time."""
        self.collect()
        samples, self._samples = self._samples, []
        names = symbols.functions(address for sample in samples for address in (sample.location, *sample.stack))
        self._events = sorted([*self._events, *(self._event(sample, names) for sample in samples)], key=lambda event: event.time_ns)
        return list(self._events)

    def close(self) -> None:
        """End the trace; what it has reported until now stays."""
        self.collect()
        self._end(self.truncated)

    def _end(self, why: str | None) -> None:
        self.truncated, self._buffers = why, []
        self._open.close()

    def _open_on(self, processor: int, undo: contextlib.ExitStack) -> mmap.mmap:
        flags = _DISABLED | _NO_USER_STACK | _WITH_CLOCK
        shape = (_TRACEPOINT, _ATTRIBUTES_SIZE, self._format.number, 1, _SAMPLE_TYPE, 0, flags, 1)
        attributes = _ATTRIBUTES.pack(*shape, *(0,) * 6, time.CLOCK_MONOTONIC, 0, 0, _STACK, 0)
        held = ctypes.create_string_buffer(attributes, len(attributes))
        everybody, no_group = ctypes.c_long(-1), ctypes.c_long(-1)
        try:
            descriptor = bpf_call.call(
                bpf_call.PERF_EVENT_OPEN, ctypes.byref(held), everybody, ctypes.c_long(processor), no_group, ctypes.c_ulong(_CLOSE_ON_EXEC)
            )
            undo.callback(os.close, descriptor)
            self._held.append(descriptor)
            buffer = mmap.mmap(descriptor, (1 + PAGES) * mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            undo.callback(buffer.close)
            fcntl.ioctl(descriptor, _SET_FILTER, self._filter().encode("ascii") + b"\0")
            fcntl.ioctl(descriptor, _ENABLE, 0)
            self._poll.register(descriptor, select.EPOLLIN)
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, str(error.errno))
            need = " (it takes root, or CAP_PERFMON: run with become)" if error.errno in bpf_call.REFUSED else ""
            value = f"{bpf_call.PERF_EVENT_OPEN} {name}"
            raise Unavailable("call", value, f"the kernel does not pass on its tracepoint kfree_skb: {error.strerror}{need}") from error
        return buffer

    def _filter(self) -> str:
        """What the kernel shall leave out: other protocols, and what is no drop."""
        normal = reasons.normal(self._format.names) if "reason" in self._format.fields else []
        wanted = "".join(f" && reason != {number}" for number in normal)
        return f"(protocol == {0x0800} || protocol == {0x86DD}){wanted}"

    def _sample(self, body: bytes, ahead: int) -> _Sample:
        time_ns, depth = struct.unpack_from("=QQ", body)
        stack = struct.unpack_from(f"={depth}Q", body, 16)
        data = body[16 + 8 * depth + 4 :]  # after its length

        def field(name: str) -> int:
            offset, size = self._format.fields.get(name, (0, 0))
            return int.from_bytes(data[offset : offset + size], "little")

        return _Sample(time_ns + ahead, field("location"), field("reason"), tuple(address for address in stack if address < _CONTEXT))

    def _event(self, sample: _Sample, names: dict[int, str]) -> Event:
        function = names.get(sample.location)
        reason = reasons.name(sample.reason, self._format.names, {}) if "reason" in self._format.fields else None
        stack = [names.get(address) for address in sample.stack]
        callers = stack[stack.index(function) + 1 :] if function in stack else stack
        kind = "freed" if reasons.is_freed(reason, function) else "drop"
        return Event(
            kind=kind,
            time_ns=sample.time_ns,
            source=None,
            source_port=None,
            destination=None,
            destination_port=None,
            flags=None,
            sequence=None,
            reason=reason,
            function=function,
            callers=symbols.callers(callers),
            namespace=None,
            interface=None,
            cgroup=None,
        )


def _read_format() -> _Format:
    for base in _TRACEFS:
        with contextlib.suppress(FileNotFoundError):
            try:
                with open(f"{base}/{_EVENT}/id", encoding="ascii") as file:
                    number = int(file.read())
                with open(f"{base}/{_EVENT}/format", encoding="ascii") as file:
                    text = file.read()
            except PermissionError as error:
                raise Unavailable("tracefs", base, f"{base} may not be read: it takes root, run with become") from error
            fields = {name: (int(offset), int(size)) for name, offset, size in _FIELD.findall(text)}
            if "location" not in fields or "protocol" not in fields:
                raise Unavailable("tracepoint", "kfree_skb", "the tracepoint kfree_skb of this kernel has no location and protocol")
            return _Format(number, fields, {int(value): name for value, name in _NAME.findall(text)})
    raise Unavailable("tracefs", _TRACEFS[0], f"tracefs is not mounted at {' or '.join(_TRACEFS)}, or has no {_EVENT}")


def _processors() -> list[int]:
    """Those that are online."""
    with open("/sys/devices/system/cpu/online", encoding="ascii") as file:
        parts = [part.partition("-") for part in file.read().strip().split(",")]
    return [number for first, _dash, last in parts for number in range(int(first), int(last or first) + 1)]


def _records(buffer: mmap.mmap) -> t.Iterator[tuple[int, bytes]]:
    """(type, body) of what lies in the buffer of a processor, which then has room again."""
    size = PAGES * mmap.PAGESIZE
    (head,), (at,) = _POSITION.unpack_from(buffer, _HEAD), _POSITION.unpack_from(buffer, _TAIL)
    data = buffer[mmap.PAGESIZE :] if head > at else b""
    while at < head:
        kind, _misc, length = _HEADER.unpack(_around(data, at % size, _HEADER.size))
        if length < _HEADER.size:
            break
        yield kind, _around(data, (at + _HEADER.size) % size, length - _HEADER.size)
        at += length
    _POSITION.pack_into(buffer, _TAIL, head)


def _around(data: bytes, at: int, length: int) -> bytes:
    """Bytes of a ring."""
    return data[at : at + length] + data[: max(0, at + length - len(data))]
