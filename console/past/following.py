"""Following what a passage writes in its sandbox, beside what the record has of the same places."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from agents.replay.passage import Passage
from agents.replay.rerun import Rerun
from bus.history import History
from bus.protocol import Entry, Place, Recorded
from bus.sandbox import writer_of
from bus.window import Span, events_of, spans
from contracts.events import EVENTS, AnyEvent

from .comparing import AGAIN, RECORDED, Comparison
from .scope import Scope

_PAGE = 64

Take = Callable[[int, Place, str, list[AnyEvent]], None]


@dataclass
class _Followed:
    """One stream: how far both sides of it were read, and what is left of the record."""

    place: Place
    own: dict[str, int]
    seen: int
    left: list[Span] = field(default_factory=list)


@dataclass
class Following:
    """Hands on both sides of some streams, in step; ``history`` None: only what comes out now."""

    rerun: Rerun
    passage: Passage
    streams: Sequence[str]
    scope: Scope
    take: Take
    history: History | None = None
    _followed: list[_Followed] = field(default_factory=list)

    async def begin(self) -> None:
        """Look where each stream begins, before anything is run."""
        begins = self.passage.outputs()
        for stream in self.streams:
            place, own = self.passage.place(stream), self.passage.own(stream)
            each = _Followed(place, own, begins.get(stream, 0))
            if self.history is not None:
                each.left = await spans(self.history, place, self.scope.since, self.scope.until)
            self._followed.append(each)

    async def look(self) -> None:
        """Hand on what came since the last look, and as much of the record."""
        for each in self._followed:
            end = (await self.rerun.bus.ends([each.place]))[each.place]
            async for entries in _pages(self.rerun.bus, each.place, each.seen + 1, end):
                self._hand_on(AGAIN, each, [entry for entry in entries if self._is_new(each, entry)])
            each.seen = max(each.seen, end)
            await self._read_record(each, end)
        for stream in {*self.passage.inputs, *self.passage.outputs()}:
            await self.rerun.forget(self.passage.place(stream))

    async def lacks(self, comparison: Comparison) -> bool:
        """Whether the record has more than came out, of whom all that came out is as it was. Reads the rest of it."""
        await self.end()
        return any(comparison.awaits(each.place, each.own) for each in self._followed)

    async def end(self) -> None:
        """Hand on the rest of the record."""
        for each in self._followed:
            await self._read_record(each, 1 << 62)

    async def _read_record(self, each: _Followed, upto: int) -> None:
        assert self.history is not None or not each.left  # noqa: S101 - nothing is left of no record
        while self.history is not None and each.left and each.left[0][0] <= upto:
            first, last = each.left.pop(0)
            read = first - 1
            async for entries in _pages(self.history, each.place, first, min(last, upto)):
                self._hand_on(RECORDED, each, [entry for entry in entries if self._is_ours(each, entry)])
                read = entries[-1].last
            if min(last, upto) < last:
                each.left.insert(0, (max(read, upto) + 1, last))
                return

    @staticmethod
    def _is_new(each: _Followed, entry: Entry) -> bool:
        """Whether an entry in the sandbox was written there, rather than taken from the record."""
        return entry.last > each.own.get(writer_of(entry), 1 << 62)

    def _is_ours(self, each: _Followed, entry: Entry) -> bool:
        """Whether a recorded entry is one that is to come out again: not from before, and not taken as it was."""
        writer = writer_of(entry)
        kind = EVENTS.get(entry.fields.get(b"t", b"").decode(errors="replace").partition("/")[0])
        foreign = writer in self.passage.copied or (kind is not None and kind.operational)
        return not foreign and entry.last > each.own.get(writer, 0)

    def _hand_on(self, side: int, each: _Followed, entries: list[Entry]) -> None:
        for writer, some in groupby(entries, key=writer_of):
            parts = [part for event in events_of(list(some)) if (part := self.scope.part(event)) is not None]
            if parts:
                self.take(side, each.place, writer, parts)


async def _pages(recorded: Recorded, place: Place, first: int, last: int) -> AsyncIterator[list[Entry]]:
    while first <= last and (entries := await recorded.range(place, first, last, count=_PAGE)):
        yield entries
        first = entries[-1].last + 1
