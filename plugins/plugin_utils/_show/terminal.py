# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The report on a terminal: what is broken first, each root cause once, the healthy in a line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping

from .._report.read import view
from .._report.view import STATUSES, Cause, Flow, Group, Report
from .._values.text import cells, clip, wrap
from . import fix_words, words

BLOCKS = 20
"""Root causes that are shown in full."""
EVIDENCE = 4
"""Pieces of evidence that are shown with a cause; the rest is in the report's files."""
COMMANDS = 3
"""Commands of a fix that are shown."""
UNOBSERVED = 3
"""Lines, about, of each sentence on what was not observed; it is whole in the report's files."""
SHARED = 5
"""Such sentences that are said once, of several blocks."""
LISTED = 12
"""Healthy flows up to which a line per destination reads better than a table."""
ROWS = 40
"""Rows of the table and of the overview of root causes."""

_INDENT = "    "
_ANSI = {
    "broken": "1;31",
    "undetermined": "35",
    "degraded": "33",
    "ok": "32",
    "strong": "1",
    "dim": "2",
}

Style = Callable[[str, str], str]
"""Paints a text for a role: a status, ``strong`` or ``dim``. It must not change the text's width."""


def plain(text: str, _role: str) -> str:
    """No colours."""
    return text


def ansi(text: str, role: str) -> str:
    """Colours as ECMA-48 terminals know them."""
    return f"\x1b[{_ANSI[role]}m{text}\x1b[0m"


def render(report: Mapping[str, object], *, width: int, style: Style = plain, where: str = "report.html") -> str:
    """The report in lines of at most ``width`` columns; ``where`` is the file that lines about what is left out point to."""
    return "\n".join(_Terminal(max(width, 40), style, where).lines(view(report))) + "\n"


def where(page: str) -> str:
    """The line that ends what is shown."""
    return f"The report is {page}"


class _Terminal:
    def __init__(self, width: int, style: Style, where: str) -> None:
        self.width = width
        self.style = style
        self.where = where
        self.most = UNOBSERVED * (width - 2 * len(_INDENT))

    def lines(self, report: Report) -> Iterator[str]:
        yield from self.head(report)
        if len(report.groups) > 1 and any(len(group.flows) > 1 for group in report.groups):
            yield ""
            yield from self.overview(report.groups)
        shown = report.groups[:BLOCKS]
        said = Counter(sentence for group in shown for sentence in group.flows[0].not_observed)
        shared = [sentence for sentence, blocks in said.items() if blocks > 1]
        for group in shown:
            yield ""
            yield from self.block(group, shared)
        if len(report.groups) > BLOCKS:
            yield ""
            yield from wrap(f"... and {len(report.groups) - BLOCKS} more root causes, see {self.where}", self.width)
        yield from self.unobserved(shared)
        yield from self.tail(report)
        yield from self.changes(report)

    def head(self, report: Report) -> Iterator[str]:
        yield from (
            self.style(part, "strong") for part in wrap("; ".join(filter(None, (words.totals(report), words.when(report)))), self.width)
        )
        for line in words.unobserved(report):
            yield from wrap(line, self.width)
        for found in words.in_common(report):
            yield from wrap(f"{words.IN_COMMON}: {words.isolated(found)}", self.width, "", _INDENT)
        yield from wrap(words.probed(report), self.width, "", _INDENT)

    def overview(self, groups: tuple[Group, ...]) -> Iterator[str]:
        yield self.style("root causes", "strong")
        for group in groups[:ROWS]:
            first = group.flows[0]
            what = f"{words.code(first)} {words.place(first)}"
            certainty = f" [{first.cause.certainty}]" if first.cause and first.cause.certainty else ""
            tally = words.count(len(group.flows), "flow").rjust(9)
            title = f": {first.cause.title}" if first.cause and first.cause.title else ""
            text = clip(f"{tally}  {group.status.ljust(12)}  {what}{certainty}{title}", self.width - 2)
            yield "  " + text.replace(group.status, self.style(group.status, group.status), 1)
        if len(groups) > ROWS:
            yield f"  ... and {len(groups) - ROWS} more"

    def block(self, group: Group, shared: Collection[str]) -> Iterator[str]:
        """``shared``: what was not observed and is said once, of several blocks."""
        flow = group.flows[0]
        yield from self.headline(flow)
        yield from self.body(flow, shared)
        others = group.flows[1:]
        same = "the same cause" if flow.cause else "the same"
        if len(others) == 1:
            yield from wrap(f"{same}: {words.route(others[0])}", self.width, _INDENT)
        elif others:
            alike = all(words.destination(other) == words.destination(flow) for other in others)
            names = ", ".join(dict.fromkeys(words.client(other) if alike else words.route(other) for other in others))
            yield _INDENT + clip(f"... and {len(others)} more of {same}, see {self.where}: {names}", self.width - len(_INDENT))

    def headline(self, flow: Flow) -> Iterator[str]:
        cause = flow.cause
        route, status, verdict = words.route(flow), flow.status.upper(), words.verdict(flow)
        certainty = f"[{cause.certainty}]" if cause and cause.certainty else ""
        line = f"{route}   {status}  {verdict}"
        gap = self.width - cells(line) - cells(certainty)
        if gap >= 2 or (gap >= 0 and not certainty):
            painted = f"{self.style(route, 'strong')}   {self.style(status, flow.status)}  {verdict}"
            yield painted + (" " * gap + certainty if certainty else "")
            return
        yield from (self.style(part, "strong") for part in wrap(route, self.width))
        first, *more = wrap(f"{status}  {verdict}   {certainty}", self.width, "  ", _INDENT)
        yield first.replace(status, self.style(status, flow.status), 1)
        yield from more

    def body(self, flow: Flow, shared: Collection[str]) -> Iterator[str]:
        if flow.cause:
            yield from self.cause(flow.cause)
        if flow.status != "ok" and flow.cause and flow.attempts:
            yield from self.note("attempts", words.connects(flow))
        yield from self.note("dialled", words.dialled(flow))
        for further in flow.causes[1:4]:
            yield from self.note("also", f"{further.code} [{further.certainty}] {further.summary}")
        for note in flow.unexplained[:3]:
            yield from self.note(words.LEFT_OVER, words.noted(note), "undetermined")
        for remark in flow.remarks[:3]:
            yield from self.note("remark", remark)
        for sentence in [sentence for sentence in flow.not_observed if sentence not in shared][:3]:
            yield from self.note("not observed", clip(sentence, self.most))
        for sentence in flow.undecided[:3]:
            yield from self.note("would decide", sentence)

    def cause(self, cause: Cause) -> Iterator[str]:
        yield from wrap(f"{cause.code}: {cause.summary or cause.title}", self.width, _INDENT, _INDENT * 2)
        for item in cause.evidence[:EVIDENCE]:
            yield from self.faint(f"{item.host} {item.source}: {item.observation}")
        if len(cause.evidence) > EVIDENCE:
            yield from self.faint(f"... {len(cause.evidence) - EVIDENCE} more in {self.where}")
        for sentence in cause.against[:2]:
            yield from self.note("against", sentence)
        if cause.fix:
            at = f"on {cause.fix.host}: " if cause.fix.host not in ("", "path", cause.host) else ""
            yield from self.note(
                "fix" if fix_words.made(cause.fix) else "advice", f"{at}{cause.fix.summary}{fix_words.risk(cause.fix)}", "ok"
            )
            for command in cause.fix.commands[:COMMANDS]:
                yield from wrap(f"$ {command}", self.width, _INDENT * 2, _INDENT * 3)
            if cause.fix.simple:
                yield from wrap(f"{fix_words.SIMPLE}: {cause.fix.simple}", self.width, _INDENT * 2, _INDENT * 3)
            if cause.fix.rehearsed:
                yield from wrap(f"{fix_words.REHEARSAL}: {cause.fix.rehearsed}", self.width, _INDENT * 2, _INDENT * 3)

    def faint(self, text: str) -> Iterator[str]:
        """Two lines at most: evidence is quoted in full elsewhere."""
        room = 2 * (self.width - len(_INDENT) - 4) - 8
        return (self.style(line, "dim") for line in wrap(clip(text.strip(" :"), room), self.width, _INDENT, _INDENT + "  "))

    def note(self, what: str, text: str, role: str = "strong") -> Iterator[str]:
        if text:
            first, *more = wrap(f"{what}: {text}", self.width, _INDENT, _INDENT * 2)
            yield first.replace(f"{what}:", self.style(f"{what}:", role), 1)
            yield from more

    def unobserved(self, shared: Collection[str]) -> Iterator[str]:
        if shared:
            yield ""
            yield self.style("not observed, of several of these", "strong")
        for sentence in list(shared)[:SHARED]:
            yield from wrap(clip(sentence, self.most), self.width, _INDENT, _INDENT * 2)
        if len(shared) > SHARED:
            yield from self.faint(f"... {len(shared) - SHARED} more in {self.where}")

    def tail(self, report: Report) -> Iterator[str]:
        """The healthy in a line per destination, or all destinations in a table where there are many flows."""
        by_destination: dict[str, list[Flow]] = {}
        for flow in report.flows:
            by_destination.setdefault(words.destination(flow), []).append(flow)
        if len(report.flows) > LISTED:
            yield ""
            yield from self.table(by_destination)
            return
        healthy = {place: [flow for flow in flows if flow.status == "ok"] for place, flows in by_destination.items()}
        if any(healthy.values()):
            yield ""
        for place, flows in healthy.items():
            if len(flows) == 1 or any(flow.expect == "blocked" for flow in flows):
                for flow in flows:
                    yield from self.headline(flow)
                    for remark in flow.remarks[:3]:
                        yield from self.note("remark", remark)
            elif flows:
                clients = ", ".join(dict.fromkeys(words.client(flow) for flow in flows))
                said = f"{clients} -> {place}: OK, {len(flows)} flows connect{_spread(flows)}"
                first, *more = wrap(said, self.width, "", _INDENT)
                yield first.replace(": OK,", f": {self.style('OK', 'ok')},", 1)
                yield from more

    def changes(self, report: Report) -> Iterator[str]:
        """What was done to hosts; the plan has what was not done."""
        done = [change for change in fix_words.changes(report) if change.outcome not in ("planned", "refused")]
        if done:
            yield ""
            yield self.style("changes", "strong")
        for change in done[:ROWS]:
            role = {"kept": "ok", "rolled_back": "degraded"}.get(change.outcome, "broken")
            said = f"{fix_words.outcome(change)}: {change.kind} on {change.where}, {change.summary}"
            first, *more = wrap(said, self.width, "  ", _INDENT)
            yield first.replace(fix_words.outcome(change), self.style(fix_words.outcome(change), role), 1)
            yield from more
            for sentence in fix_words.tried(change)[:EVIDENCE]:
                yield from self.faint(sentence)
            if change.outcome != "kept":
                yield from self.note("why", change.why)
        if len(done) > ROWS:
            yield f"  ... and {len(done) - ROWS} more, see {self.where}"

    def table(self, by_destination: dict[str, list[Flow]]) -> Iterator[str]:
        ranked = sorted(
            by_destination.items(),
            key=lambda item: (min(STATUSES.index(flow.status) for flow in item[1]), words.natural(item[0])),
        )
        used = [status for status in STATUSES if any(flow.status == status for flows in by_destination.values() for flow in flows)]
        heads = [*used, "connect"]
        rows = []
        for place, flows in ranked[:ROWS]:
            numbers = [sum(flow.status == status for flow in flows) for status in used]
            rows.append((place, [*(str(number or "") for number in numbers), _spread(flows).removeprefix(" in ")]))
        widths = [max(len(head), *(len(row[1][column]) for row in rows)) for column, head in enumerate(heads)]
        if self.width < sum(widths) + 2 * len(widths) + 24:
            widths = widths[:-1]
        room = max(min(self.width - sum(widths) - 2 * len(widths), max(cells(row[0]) for row in rows)), len("destination"))
        title = "destination".ljust(room) + "".join("  " + head.rjust(size) for head, size in zip(heads, widths, strict=False))
        yield self.style(clip(title, self.width), "strong")
        for place, values in rows:
            name = clip(place, room)
            line = name + " " * (room - cells(name))
            for column, size in enumerate(widths):
                value = values[column].rjust(size)
                line += "  " + (self.style(value, used[column]) if column < len(used) and values[column] else value)
            yield line.rstrip()
        if len(ranked) > ROWS:
            rest = [flow for _place, flows in ranked[ROWS:] for flow in flows]
            healthy = " (all ok)" if all(flow.status == "ok" for flow in rest) else ""
            yield clip(f"... and {len(ranked) - ROWS} more destinations with {words.count(len(rest), 'flow')}{healthy}", self.width)


def _spread(flows: list[Flow]) -> str:
    """`` in 0.31 ms to 1.20 ms``: how long their handshakes took, where that is known."""
    times = sorted(flow.connect_ms for flow in flows if flow.connect_ms is not None)
    if not times:
        return ""
    low, high = words.duration(times[0]), words.duration(times[-1])
    return f" in {low}" if low == high else f" in {low} to {high}"
