"""A processor and its state at work on entries: what comes out, and what becomes of an event that it cannot handle."""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from typing import Any

from bus.protocol import Entry, Place
from contracts.errors import Unavailable
from contracts.events import AnyEvent, ReadingsEvent, Redriven
from contracts.frames import encode

from ...parts import Processor
from ...state import dump
from ..about import id_of
from ..home import dead_letter, log, outputs
from ..watchdog import Steps
from .items import Item, Unreadable, frame_of, items


class Poisoned(Exception):
    """A processor raised on an event of a batch; which one is found out by going through it again."""


class Handling:
    """The state of a processor on one place, and how it changes."""

    def __init__(
        self,
        processor: Processor[Any, Any, Any],
        task: str,
        place: Place,
        steps: Steps,
        buried: Collection[int] = (),
    ) -> None:
        self.processor, self.task, self.place, self.steps, self.buried = processor, task, place, steps, buried
        self.state: Any = None
        #: Whether the state is kept before each event, so that one that cannot be handled leaves no trace.
        self.careful = False
        #: To be called when a part of the work is done.
        self.moved: Callable[[], None] = lambda: None
        #: Ordinals that are passed over, because they were once buried.
        self.skip: Collection[int] = buried
        self._wanted = tuple(processor.reads())

    def begin(self, state: bytes | None = None) -> None:
        """Start afresh, or with a saved state. Raises CorruptEvent when that does not fit."""
        self.state = self.processor.start() if state is None else self.processor.load(state)

    def outcome(self, entries: Sequence[Entry]) -> list[AnyEvent]:
        """What follows from the entries, dead letters for what could not be handled included.

        Raises Poisoned, with the state spoilt, where ``careful`` is off and the processor raises.
        """
        found: list[AnyEvent] = []
        for item in items(entries, self.task, self._wanted, self.skip):
            if isinstance(item, Unreadable):
                log.error("entry not readable", task=self.task, position=item.position, cause=str(item.error))
                found.append(self._unread(item))
            else:
                # Keeping the state first would cost more than the work: it is only done where something failed before.
                found += self._handled(item)
        return found

    def _handled(self, item: Item) -> list[AnyEvent]:
        before = dump(self.state) if self.careful else None
        try:
            found = list(chain.from_iterable(map(self._pieces, item.events)))
            if before is not None:
                # What cannot be written is as bad as what cannot be computed.
                outputs(found, self.task)
            return found
        except Unavailable:
            # Something is missing here, and nothing is wrong with the event: it waits, it is not buried.
            raise
        except Exception as error:
            if isinstance(error, MemoryError):
                self.steps.out_of_memory(self.task)
            if before is None:
                raise Poisoned(error) from error
            failure = error
        # Not above: the errors of the halves would carry this one along, and differ by how the input was cut.
        self.begin(before)
        return self._isolated(item, failure)

    def _pieces(self, event: AnyEvent) -> Iterator[AnyEvent]:
        """What the processor makes of an event; of many readings in several parts, each of which may take its time."""
        most = self.processor.most_readings
        if not isinstance(event, ReadingsEvent) or len(event) <= most:
            yield from self.processor.handle(event, self.state)
            return
        for part in event.readings.cut(most):
            yield from self.processor.handle(type(event)(part), self.state)
            self.moved()

    def _isolated(self, item: Item, error: Exception) -> list[AnyEvent]:
        """Halve a batch until the reading that cannot be handled stands alone, and bury that one."""
        if item.again is not None:
            log.error(
                "event buried again",
                task=self.task,
                position=item.position,
                event_id=id_of(item.events[0]) if item.events else item.again.id,
                cause=repr(error),
            )
            return [self._buried_again(item.again, item.position, error, time=item.again.time)]
        event = item.events[0]
        if isinstance(event, ReadingsEvent) and len(event) > 1:
            halves = event.readings.cut((len(event) + 1) // 2)
            return [out for part in halves for out in self._handled(Item(part.first, (type(event)(part),)))]
        time = int(event.readings.time[0]) if isinstance(event, ReadingsEvent) else event.time
        fields = next(iter(encode([event], self.task))).fields()
        buried = {"event_id": id_of(event), "position": item.position}
        log.error("event buried as a dead letter", task=self.task, **buried, cause=repr(error))
        return [self.letter(item.position, fields, error, time=time)]

    def _unread(self, item: Unreadable) -> AnyEvent:
        if item.again is not None:
            return self._buried_again(item.again, item.position, item.error, time=item.again.time)
        return self.letter(item.position, item.fields, item.error, events=item.count)

    def _buried_again(self, again: Redriven, at: int, error: Exception, *, time: int) -> AnyEvent:
        fields = frame_of(again)
        return self.letter(again.position, fields, error, time=time, events=again.events, at=at)

    def letter(
        self,
        position: int,
        fields: dict[bytes, bytes],
        error: BaseException,
        *,
        tries: int = 2,
        time: int = 0,
        events: int = 1,
        at: int = 0,
    ) -> AnyEvent:
        """A dead letter for a frame whose last event stands at ``position``."""
        task, place = self.task, self.place
        return dead_letter(task, place, position, fields, error, tries=tries, time=time, events=events, at=at)
