"""What a replay shows: what came out, or what came out differently."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import anyio

from agents.clock import Clock
from agents.parts import Sink
from agents.topology import Topology
from bus.protocol import Place
from contracts.events import AnyEvent, Event, NotificationDue
from contracts.instants import SECOND, from_iso
from contracts.rows import rows

from ..output import emit, tables
from ..render import line, style
from .comparing import WORDS, Comparison, Difference
from .telling import Telling, ToPeople

_DIFFERENT = 1
_MOST_SERIES = 100

Row = dict[str, Any]


@dataclass
class Listing:
    """What came out, by partition, stream and writer as an export has it; with ``speed`` in its own pace."""

    topology: Topology
    as_json: bool = False
    speed: float | None = None
    told: Telling = field(default_factory=lambda: ToPeople(quiet=True))
    count: int = 0
    _found: dict[tuple[str, str], list[Row]] = field(default_factory=dict)
    _paced: list[Row] = field(default_factory=list)
    _due: Counter[str] = field(default_factory=Counter)

    def take(self, side: int, place: Place, writer: str, events: list[AnyEvent]) -> None:
        """Events of one task; there is only one side here."""
        rows_there = self._found.setdefault((place.stream, writer), [])
        for event in events:
            rows_there += ({**row, "partition": place.partition, "stream": place.stream} for row in rows(event))
            if isinstance(event, Event):
                self._due.update(self._sinks(type(event)))

    def settle(self) -> None:
        """A partition is complete: show it, or keep it for its time."""
        found = [row for _, some in sorted(self._found.items()) for row in some]
        self._found.clear()
        self.count += len(found)
        if self.speed is None:
            for row in found:
                self._show(row)
        else:
            self._paced += found

    async def end(self) -> int:
        """Show what is left, and the sums. Returns the exit code."""
        await self._pace()
        for sink, count in sorted(self._due.items()):
            self.told.note(f"{sink} would have been given {count:,}: nothing was delivered")
        self.told.note(f"{self.count:,} events")
        return 0

    async def _pace(self) -> None:
        clock = Clock()
        begun, found = clock.monotonic_s(), sorted((from_iso(row["time"]), i) for i, row in enumerate(self._paced))
        for time, number in found:
            due = begun + (time - found[0][0]) / SECOND / (self.speed or 1.0)
            await anyio.sleep(max(0.0, due - clock.monotonic_s()))
            self._show(self._paced[number])

    def _show(self, row: Row) -> None:
        if self.as_json:
            emit(row)
            return
        sinks = ", ".join(self._sinks(NotificationDue)) if row["type"] == NotificationDue.__name__ else ""
        text = f"{line(row)}  would notify {sinks}" if sinks else line(row)
        tables().print(text, style=style(row), soft_wrap=True)

    def _sinks(self, kind: type[Event]) -> list[str]:
        return [item.name for item in self.topology.placed if isinstance(item.part, Sink) and kind in item.part.reads()]


def show_differences(comparison: Comparison, told: Telling, *, as_json: bool, most: int | None = None) -> int:
    """Show the differences, so many at most, and the sums of all. Returns the exit code."""
    found = comparison.differences()
    for each in found[:most]:
        if as_json:
            emit({"difference": each.word, **each.row, **({"was": each.was} if each.was else {})})
        else:
            tables().print(_told(each), style=style(each.row), soft_wrap=True)
    counts = Counter(each.word for each in found)
    shuffled = comparison.shuffled > 0 and not found
    recorded, again = comparison.counts
    before, now = (digest.hex() for digest in comparison.digests)
    words = ", ".join(f"{counts[word]:,} {word}" for word in WORDS)
    text = f"{recorded:,} recorded, {again:,} now: {words}{', in another order' if shuffled else ''}"
    identical = not found and before == now
    told.result(
        f"{text}; digest {now}" if identical else text,
        {
            "recorded": recorded,
            "now": again,
            "identical": identical,
            "digest_recorded": before,
            "digest": now,
            "differences": len(found),
            "shown": len(found[:most]),
            "shuffled": comparison.shuffled,
            "types": _by_type(found),
            "series": _by_series(found),
        },
    )
    return 0 if identical else _DIFFERENT


def _by_type(found: list[Difference]) -> dict[str, dict[str, int]]:
    """Type -> word -> how many."""
    counts: dict[str, dict[str, int]] = {}
    for each in found:
        of_type = counts.setdefault(each.row["type"], dict.fromkeys(WORDS, 0))
        of_type[each.word] += 1
    return dict(sorted(counts.items()))


def _by_series(found: list[Difference]) -> list[Row]:
    """Those with the most differences first."""
    counts = Counter((each.row["asset"], each.row["channel"]) for each in found)
    best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_SERIES]
    return [{"asset": asset, "channel": channel, "differences": count} for (asset, channel), count in best]


def _told(each: Difference) -> str:
    text = f"{each.word:<8} {line(each.row)}"
    if not each.was:
        return text
    changes = ", ".join(f"{name} {before!r} -> {_now(each.row, name)!r}" for name, before in each.was.items())
    return f"{text}  {changes}"


def _now(row: Row, path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
