"""What is run again of a partition: which tasks, each from which state on, and what they are given to read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bus.protocol import Place

from ..parts import Processor


@dataclass(frozen=True)
class Start:
    """Where a task begins.

    position   ordinal in its input; it reads what comes after
    state      as it was saved there; None: a fresh one
    ends       how far each stream that it writes to stood then: what it wrote up to there is not written again
    note       what people must know of the state; empty for most
    """

    task: str
    part: Processor[Any, Any, Any]
    stream: str
    position: int = 0
    state: bytes | None = None
    ends: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    @property
    def writes(self) -> set[str]:
        """The streams of facts that the task writes to."""
        return {kind.stream for kind in self.part.writes()}


@dataclass(frozen=True)
class Passage:
    """The tasks that run again on a partition, upstream first.

    inputs     streams that are taken as they were recorded -> what is given of them: after which ordinal, up to which
    turns      streams in which what is asked for stands up to an ordinal, among what others wrote who were further
    more       how much further each input may be read until that comes out
    last       how far the record went when the passage was planned, for each stream that the tasks write to
    copied     who writes to those streams besides, and is taken as recorded: the names of their tasks
    """

    partition: int
    starts: tuple[Start, ...]
    inputs: Mapping[str, tuple[int, int]]
    turns: Mapping[str, int] = field(default_factory=dict)
    more: Mapping[str, int] = field(default_factory=dict)
    last: Mapping[str, int] = field(default_factory=dict)
    copied: frozenset[str] = frozenset()

    def own(self, stream: str) -> dict[str, int]:
        """The tasks that write to a stream again, each with the ordinal behind which it does."""
        return {start.task: start.ends.get(stream, 0) for start in self.starts if stream in start.writes}

    def outputs(self) -> dict[str, int]:
        """The streams that are written to again -> the ordinal after which they begin in the sandbox."""
        found: dict[str, int] = {}
        for stream in sorted({stream for start in self.starts for stream in start.writes}):
            read = [start.position for start in self.starts if start.stream == stream]
            # Whoever reads it may stand further back than where its writers begin.
            found[stream] = min(read) if read else max(self.own(stream).values())
        return found

    def merged(self) -> set[str]:
        """The streams that are written to again and read again: the order of several writers counts there."""
        return {stream for stream in self.outputs() if any(start.stream == stream for start in self.starts)}

    def place(self, stream: str) -> Place:
        """A stream in this partition."""
        return Place(stream, self.partition)
