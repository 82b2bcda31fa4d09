"""Dead letters: what could not be handled, which of it is still open, and how it is given back to be handled again."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bus.protocol import Place, Recorded
from bus.scan import scan
from contracts.errors import CorruptEvent, NotFound
from contracts.events import AnyEvent, DeadLetterDropped, DeadLettered, DeadLetterRedriven, Redriven
from contracts.frames import Frame, decode


@dataclass(frozen=True)
class Letter:
    """A dead letter and where it stands: the ``ordinal``-th event of its place.

    ``about`` is the event without frame and stack, which may be a megabyte; ``whole`` reads them.
    """

    about: DeadLettered
    partition: int
    ordinal: int


class OpenLetters:
    """The dead letters about which nothing was done yet, oldest first in each partition."""

    def __init__(self, recorded: Recorded, partitions: Iterable[int] | None = None) -> None:
        self._recorded = recorded
        self._seen = dict.fromkeys(range(recorded.partitions) if partitions is None else partitions, 0)
        self._open: dict[int, dict[str, Letter]] = {partition: {} for partition in self._seen}

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    def __iter__(self) -> Iterator[Letter]:
        for letters in self._open.values():
            yield from letters.values()

    def __contains__(self, name: str) -> bool:
        return any(name in letters for letters in self._open.values())

    async def refresh(self) -> None:
        """Read what came since the last time."""
        places = {Place(DeadLettered.stream, partition): partition for partition in self._seen}
        for place, end in (await self._recorded.ends(list(places))).items():
            partition = places[place]
            async for found in scan(self._recorded, place, self._seen[partition] + 1, end):
                for offset, event in enumerate(found.events):
                    self._take(partition, found.entry.first + offset, event)
                self._seen[partition] = found.entry.last

    def _take(self, partition: int, ordinal: int, event: AnyEvent) -> None:
        letters = self._open[partition]
        if isinstance(event, DeadLettered):
            letters[event.id] = Letter(event.model_copy(update={"frame": {}, "trace": ""}), partition, ordinal)
        elif isinstance(event, DeadLetterRedriven | DeadLetterDropped):
            letters.pop(event.letter, None)


async def open_letters(recorded: Recorded) -> OpenLetters:
    """All dead letters about which nothing was done yet."""
    letters = OpenLetters(recorded)
    await letters.refresh()
    return letters


async def whole(recorded: Recorded, letter: Letter) -> DeadLettered:
    """The letter with frame and stack.

    Raises NotFound when it is not in the log any more.
    """
    place = Place(DeadLettered.stream, letter.partition)
    async for found in scan(recorded, place, letter.ordinal, letter.ordinal):
        for event in found.events:
            if isinstance(event, DeadLettered) and event.id == letter.about.id:
                return event
    raise NotFound(f"dead letter {letter.about.id} is not in the log any more")


def boxed(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    """The fields of an entry as an event can hold them."""
    return {key.decode(): b64encode(value).decode() for key, value in fields.items()}


def unboxed(frame: Mapping[str, str]) -> dict[bytes, bytes]:
    """The fields that were boxed.

    Raises CorruptEvent when they are not what ``boxed`` makes.
    """
    try:
        return {key.encode(): b64decode(value, validate=True) for key, value in frame.items()}
    except ValueError as error:
        raise CorruptEvent(f"not base64: {error}") from error


def contents(event: DeadLettered | Redriven, last: int = 0) -> list[AnyEvent]:
    """The events of the frame within; readings get ordinals that end at ``last``.

    Raises UnreadableEvent when they cannot be read: CorruptEvent when that will never change.
    """
    fields = unboxed(event.frame)
    if not fields:
        raise CorruptEvent("the entry was gone before it was read: nothing of it is left")
    return decode(Frame.parse(fields, event.events), last)
