"""What a processor is handed: the events of entries, one after the other, with where they stand."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bus.protocol import Entry
from contracts.errors import UnreadableEvent
from contracts.events import AnyEvent, ReadingsEvent, Redriven
from contracts.frames import Unread, decode_all
from contracts.readings import Readings, joined

from ...letters import contents, unboxed


@dataclass(frozen=True, slots=True)
class Item:
    """Events that stand or fall together: a batch of readings, or one event, or a frame that was given back.

    ``position`` is the ordinal of the first; of the Redriven, for a frame that was given back.
    """

    position: int
    events: Sequence[AnyEvent]
    again: Redriven | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A frame whose events cannot be read; ``again`` when it was given back to be tried once more."""

    position: int
    count: int
    fields: dict[bytes, bytes]
    error: UnreadableEvent
    again: Redriven | None = None


def items(
    entries: Sequence[Entry], task: str, wanted: tuple[type[AnyEvent], ...], skip: Collection[int] = ()
) -> Iterator[Item | Unreadable]:
    """The events that a task wants from entries, in order, neighbouring readings as one batch, without ``skip``."""
    run: list[ReadingsEvent] = []
    for position, event in _events(entries, skip):
        if isinstance(event, ReadingsEvent) and isinstance(event, wanted):
            if run and (type(run[0]) is not type(event) or run[-1].readings.last + 1 != event.readings.first):
                yield _one(run)
                run = []
            run.append(event)
            continue
        found = _item(position, event, task, wanted)
        if found is None:
            continue
        if run:
            yield _one(run)
            run = []
        yield found
    if run:
        yield _one(run)


def _item(
    position: int, event: AnyEvent | Unread, task: str, wanted: tuple[type[AnyEvent], ...]
) -> Item | Unreadable | None:
    if isinstance(event, Unread):
        return Unreadable(event.entry.last, event.entry.count, dict(event.entry.fields), event.error)
    if isinstance(event, Redriven):
        return _again(position, event, wanted) if event.agent == task else None
    return Item(position, (event,)) if isinstance(event, wanted) else None


def _again(position: int, event: Redriven, wanted: tuple[type[AnyEvent], ...]) -> Item | Unreadable:
    try:
        inner = [found for found in contents(event, event.position) if isinstance(found, wanted)]
    except UnreadableEvent as error:
        return Unreadable(position, event.events, frame_of(event), error, event)
    return Item(position, inner, event)


def frame_of(event: Redriven) -> dict[bytes, bytes]:
    """The fields within, as far as they can be told."""
    try:
        return unboxed(event.frame)
    except UnreadableEvent:
        return {}


def _events(entries: Sequence[Entry], skip: Collection[int]) -> Iterator[tuple[int, AnyEvent | Unread]]:
    """Every event with its ordinal; of a batch of readings that of the first."""
    for run in _unbroken(entries, skip):
        position = run[0].first
        for event in decode_all(run):
            if isinstance(event, ReadingsEvent):
                for part in _without(event.readings, skip):
                    yield part.first, type(event)(part)
                position += len(event)
            elif isinstance(event, Unread):
                yield position, event
                position += event.entry.count
            else:
                if position not in skip:
                    yield position, event
                position += 1


def _unbroken(entries: Sequence[Entry], skip: Collection[int]) -> Iterator[list[Entry]]:
    """Entries that follow each other; those to skip are not even decoded."""
    run: list[Entry] = []
    for entry in entries:
        whole = bool(skip) and all(ordinal in skip for ordinal in range(entry.first, entry.last + 1))
        if run and (whole or entry.first != run[-1].last + 1):
            yield run
            run = []
        if not whole:
            run.append(entry)
    if run:
        yield run


def _without(readings: Readings, skip: Collection[int]) -> Iterator[Readings]:
    """The readings between those to skip."""
    rows = [row for row in range(len(readings)) if readings.first + row in skip] if skip else []
    if not rows:
        yield readings
        return
    start = 0
    for row in [*rows, len(readings)]:
        if row > start:
            yield readings.take(slice(start, row))
        start = row + 1


def _one(run: Sequence[ReadingsEvent]) -> Item:
    event = run[0] if len(run) == 1 else type(run[0])(joined([event.readings for event in run]))
    return Item(event.readings.first, (event,))
