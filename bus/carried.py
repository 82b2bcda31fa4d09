"""What the bus carries and keeps: entries at places, commits, snapshots, deliveries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from contracts.errors import CorruptEvent
from contracts.frame import Frame


class Place(NamedTuple):
    """One stream of one partition."""

    stream: str
    partition: int


@dataclass(slots=True)
class Entry:
    """One entry of a stream: ``count`` events, the last of which has the ordinal ``last``."""

    last: int
    count: int
    fields: Mapping[bytes, bytes]

    @property
    def first(self) -> int:
        return self.last - self.count + 1

    def frame(self) -> Frame:
        """The frame in the entry.

        Raises CorruptEvent when the bytes are not the ones that were written.
        """
        if not self.fields:
            raise CorruptEvent(f"entry {self.first}-{self.last} was deleted before it was read")
        return Frame.parse(self.fields, self.count)


@dataclass(frozen=True)
class Commit:
    """One atomic step of a task on a partition.

    ``expected`` and ``position`` are texts: an ordinal for processors, a source's own place for sources. The empty
    text is the position before the first commit.
    """

    partition: int
    task: str
    token: int
    expected: str
    position: str
    outputs: Sequence[tuple[str, Frame]] = ()

    def __post_init__(self) -> None:
        if self.expected == self.position:
            raise ValueError(f"a commit must move the position of {self.task}, it stays at {self.position!r}")


@dataclass(frozen=True)
class Snapshot:
    """State of a task at a position.

    ``ends`` says how far its output streams had come then: the outputs of the task that follow from later input are
    behind them. ``maker`` names what computed the state: code, configuration, model and versions.
    """

    position: str
    data: bytes
    ends: Mapping[str, int] = field(default_factory=dict)
    maker: str = ""


class Former(NamedTuple):
    """Who worked on a task before, if that life did not end in order, and what was tried last."""

    life: str
    tried: str


class Delivery(NamedTuple):
    """An entry handed to a consumer of a group: if it is begun now, that is the ``tries``-th time.

    An entry that was deleted meanwhile has no fields.
    """

    place: Place
    entry: Entry
    tries: int
