"""Comparing what was recorded with what comes out now: by id and content, however it was cut into entries."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np

from bus.protocol import Place
from contracts.events import AnyEvent, ReadingsEvent
from contracts.instants import SECOND, from_iso
from contracts.readings import Readings
from contracts.rows import rows

from .digesting import Digest

Row = dict[str, Any]
_ById = defaultdict[str, deque[Row]]
Word = Literal["missing", "extra", "changed", "moved"]
WORDS: tuple[Word, ...] = get_args(Word)
RECORDED, AGAIN = 0, 1

#: An alert that is another one by its id, and no further away than this, is the same one that moved.
_MOVED_NS = 600 * SECOND


@dataclass(frozen=True)
class Difference:
    """``row`` is as it is now, where it is; ``was`` is how those of its fields were recorded that changed."""

    word: Word
    row: Row
    was: Row = field(default_factory=dict)


@dataclass
class Comparison:
    """Takes both sides in any portions, each writer's events in their order, and forgets what is the same."""

    counts: list[int] = field(default_factory=lambda: [0, 0])
    shuffled: int = 0
    digests: tuple[Digest, Digest] = field(default_factory=lambda: (Digest(), Digest()))
    _queues: dict[tuple[Place, str], tuple[deque[AnyEvent], deque[AnyEvent]]] = field(default_factory=dict)
    _alone: tuple[_ById, _ById] = field(default_factory=lambda: (_ById(deque), _ById(deque)))
    _changed: list[Difference] = field(default_factory=list)
    _astray: set[tuple[Place, str]] = field(default_factory=set)

    def take(self, side: int, place: Place, writer: str, events: Iterable[AnyEvent]) -> None:
        """Events that a task wrote to a place; ``side`` is RECORDED or AGAIN."""
        queues = self._queues.setdefault((place, writer), (deque(), deque()))
        events = tuple(events)
        self.digests[side].take(place, writer, events)
        for event in events:
            self.counts[side] += len(event) if isinstance(event, ReadingsEvent) else 1
            queues[side].append(event)
        while queues[0] and queues[1]:
            if not self._meet(place, *queues):
                self._astray.add((place, writer))

    def awaits(self, place: Place, writers: Iterable[str]) -> bool:
        """Whether the record goes on, for one of these whose events were the recorded ones so far."""
        keys = {(place, writer) for writer in writers} & self._queues.keys() - self._astray
        return any(self._queues[key][RECORDED] for key in keys)

    def _meet(self, place: Place, left: deque[AnyEvent], right: deque[AnyEvent]) -> bool:
        """Compare the first of both, as much as both have of it; whether it is the same."""
        one, two = left.popleft(), right.popleft()
        if isinstance(one, ReadingsEvent) and isinstance(two, ReadingsEvent):
            count = min(len(one), len(two))
            one, two = _split(one, count, left), _split(two, count, right)
        if _same(one, two):
            return True
        self._stand_alone(RECORDED, place, one)
        self._stand_alone(AGAIN, place, two)
        return False

    def _stand_alone(self, side: int, place: Place, event: AnyEvent) -> None:
        """What has no partner at its place in the order may have one elsewhere, by its id."""
        for found in rows(event):
            row = {**found, "partition": place.partition, "stream": place.stream}
            partners = self._alone[1 - side].get(row["id"])
            if not partners:
                self._alone[side][row["id"]].append(row)
                continue
            partner = partners.popleft()
            old, new = (partner, row) if side == AGAIN else (row, partner)
            if old == new:
                self.shuffled += 1
            else:
                self._changed.append(Difference("changed", new, _differing(old, new)))

    def differences(self) -> list[Difference]:
        """Everything that differs, once both sides are complete: by kind, then time."""
        for (place, _), queues in self._queues.items():
            for side, queue in enumerate(queues):
                while queue:
                    self._stand_alone(side, place, queue.popleft())
        missing, extra = ([row for queue in side.values() for row in queue] for side in self._alone)
        moved = list(_moved(missing, extra))
        gone = {id(row) for old, new in moved for row in (old, new)}
        found = [
            *(Difference("missing", row) for row in missing if id(row) not in gone),
            *(Difference("extra", row) for row in extra if id(row) not in gone),
            *self._changed,
            *(Difference("moved", new, _differing(old, new)) for old, new in moved),
        ]
        return sorted(found, key=lambda each: (WORDS.index(each.word), from_iso(each.row["time"])))


def _split(event: ReadingsEvent, count: int, queue: deque[AnyEvent]) -> ReadingsEvent:
    """The first ``count`` readings; the others go back to the head of the queue."""
    if len(event) == count:
        return event
    queue.appendleft(type(event)(event.readings.take(slice(count, len(event)))))
    return type(event)(event.readings.take(slice(0, count)))


def _same(one: AnyEvent, two: AnyEvent) -> bool:
    if not isinstance(one, ReadingsEvent) or not isinstance(two, ReadingsEvent):
        return one == two
    a, b = one.readings, two.readings
    if a.series != b.series and set(a.series) == set(b.series):
        # The same series, numbered in another order.
        number = {series: i for i, series in enumerate(a.series)}
        b = _renumbered(b, a, np.array([number[series] for series in b.series], np.int32))
    return type(one)(a).same_as(type(two)(b))


def _renumbered(readings: Readings, like: Readings, table: np.ndarray[Any, np.dtype[np.int32]]) -> Readings:
    return replace(readings, series=like.series, code=table[readings.code])


def _differing(old: Row, new: Row) -> Row:
    """The fields that differ, as they were; those of nested objects by their path."""
    was = {}
    for name in {**old, **new}:
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            was.update({f"{name}.{key}": value for key, value in _differing(before, after).items()})
        elif before != after:
            was[name] = before
    return was


def _moved(missing: list[Row], extra: list[Row]) -> Iterator[tuple[Row, Row]]:
    """Alerts that were told of another reading of the same series: each with the nearest in time."""
    waiting: dict[tuple[Any, ...], list[Row]] = {}
    for row in extra:
        waiting.setdefault(_kind(row), []).append(row)
    for old in missing:
        others = waiting.get(_kind(old), [])
        if old["stream"].startswith("readings.") or not others:
            continue
        time = from_iso(old["time"])
        nearest = min(others, key=lambda row: abs(from_iso(row["time"]) - time))
        if abs(from_iso(nearest["time"]) - time) <= _MOVED_NS:
            others.remove(nearest)
            yield old, nearest


def _kind(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("type", "stream", "asset", "channel", "kind", "state", "detector"))
