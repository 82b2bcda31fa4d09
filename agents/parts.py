"""What an agent is made of: sources bring readings in, processors turn events into events, sinks act on the world.

A part declares and does; it never loops, retries, commits or reads a clock. The runtime does all of that, the same
way for every part. Fields are configuration: pydantic, frozen, checked before anything starts.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field

from bus.protocol import Bus, Recorded
from contracts.events import AnyEvent, Event
from contracts.readings import Readings

from .clock import Clock
from .context import Context as Context
from .context import Program as Program
from .state import restore

In = TypeVar("In")
Out = TypeVar("Out")
State = TypeVar("State")


class Part(BaseModel):
    """Base of everything that can stand in the configuration as an agent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def prepare(self, context: Context) -> None:
        """Load what is needed before the first event. The only place where a processor may do I/O."""

    @property
    def bundle(self) -> str:
        """Digest of the model bundle that this part serves, once it is prepared; empty for most."""
        return ""

    def parts(self, name: str) -> "Mapping[str, Part]":
        """The parts that run under this agent, by name; most agents are a single part."""
        return {name: self}

    @classmethod
    def reads(cls) -> tuple[type[AnyEvent], ...]:
        """The event types that this part reads."""
        return ()

    @classmethod
    def writes(cls) -> tuple[type[AnyEvent], ...]:
        """The event types that this part writes."""
        return ()

    @classmethod
    def _arguments(cls, origin: type, number: int) -> tuple[Any, ...]:
        """The types that stand at place ``number`` of the generic base, a union taken apart."""
        for base in cls.__mro__:
            meta = getattr(base, "__pydantic_generic_metadata__", None)
            if meta and meta["origin"] is origin:
                argument = meta["args"][number]
                return get_args(argument) or (argument,)
        raise TypeError(f"{cls.__name__} must name its types: class {cls.__name__}({origin.__name__}[...])")


class Processor(Part, Generic[In, Out, State], ABC):
    """Turns events into events, purely: no clock, no randomness, no I/O, nothing remembered outside the state.

    The runtime hands it the events of one stream of one partition, in order. Readings may be cut into batches in any
    way, and joined again: the outputs must not depend on it.
    """

    linger_s: ClassVar[float] = 0.01
    """How long to wait after a small batch for the next: fewer and larger ones cost less."""
    most_readings: ClassVar[int] = 1 << 16
    """Readings that are handed over at once. A process that takes longer than ``bus.hang_s`` for so many is ended."""

    most_events: ClassVar[int] = 1 << 20
    """Events that are handled between two commits: fewer where each of them may lead to very many."""

    @abstractmethod
    def start(self) -> State:
        """The state before the first event: a dataclass as ``agents.state`` can save it."""

    def load(self, data: bytes) -> State:
        """The state that was saved with ``agents.state.dump``.

        Raises CorruptEvent when it does not fit; Unavailable when something is missing here that it needs.
        """
        return restore(self.start(), data)

    @abstractmethod
    def handle(self, event: In, state: State) -> Iterator[Out]:
        """Yield what follows from the event; change the state in place."""

    @classmethod
    def reads(cls) -> tuple[type[AnyEvent], ...]:
        return cls._arguments(Processor, 0)

    @classmethod
    def writes(cls) -> tuple[type[AnyEvent], ...]:
        return cls._arguments(Processor, 1)


@dataclass(frozen=True)
class Harvest:
    """Readings that a source got, with the place to go on from after them.

    All readings of one position are in one harvest, and positions never fall from one harvest to the next.
    """

    readings: Readings
    resume: str
    settled: Callable[[BaseException | None], None] | None = None
    """Called once the readings are in the log (None) or could not be put there (the error)."""
    share: float | None = None
    """How much of what the source has is read with it, 0 to 1; None where nobody knows."""


class Source(Part, ABC):
    """Brings readings in, in an order that it can repeat from any ``resume`` that it gave out."""

    endless: ClassVar[bool] = True
    """Whether it goes on for ever; a batch run ends when every source that is not endless has ended."""
    repeats: ClassVar[bool] = True
    """Whether it can give again what comes after a ``resume``; what is pushed comes once."""

    @abstractmethod
    def harvests(self, name: str, resume: str | None) -> AsyncIterator[Harvest]:
        """Readings after ``resume`` (None: from the beginning), as they come.

        ``name`` is the name that the readings' series carry as their source. The runtime stops a source by closing
        the iterator: hold nothing open that ``finally`` does not close, and keep no task group or cancel
        scope open across a ``yield``.
        """


class Sink(Part, Generic[In], ABC):
    """Does something in the world, once per event, in no promised order; may be called again with the same event.

    Raise to be tried again later; after the configured number of tries the event becomes a dead letter.
    ``RetryLater`` says when to try again, ``Refused`` that no further try can help.
    """

    concurrency: ClassVar[int] = 8
    """How many deliveries may be under way at once; 1 also keeps the order in which events are handed over."""
    ordered: ClassVar[bool] = False
    """Whether each destination gets its events in the order of the log, whatever fails; one process works at a time."""
    lives: ClassVar[int] = 3
    """How many processes may end during a delivery before it is taken for the cause, and given up."""

    async def begin(self, recorded: Recorded, bus: Bus, clock: Clock) -> None:
        """Called before the first delivery: for those that need to know what the log says."""

    async def end(self) -> None:
        """Called after the last delivery: for those that hold connections."""

    def wants(self, event: In) -> bool:
        """Whether the event is for this sink at all; others are passed by without a receipt."""
        return True

    def destination(self, event: In) -> str:
        """Where the event goes, if the sink serves several receivers.

        Deliveries to one destination come one after the other, and a destination that fails or hangs does not hold up
        the others. Those to none in particular (the empty text) run side by side.
        """
        return ""

    @abstractmethod
    async def deliver(self, event: In) -> str | None:
        """Act on one event, with its id as the idempotency key; may return what the receiver said in a word.

        It may be cancelled, and is when it takes longer than ``bus.delivery_s``. It must not block: what does goes to
        a thread.
        """

    @classmethod
    def reads(cls) -> tuple[type[AnyEvent], ...]:
        return cls._arguments(Sink, 0)


@dataclass(frozen=True)
class Batch:
    """Consecutive events of one stream of one partition."""

    stream: str
    partition: int
    first: int
    last: int
    events: Sequence[AnyEvent]


class Chore(Part, ABC):
    """Looks after something now and then, in one process of the fleet at a time.

    It may be called again before what it told last time is known to be in the log, and by another process after a
    crash: what it does must be safe to do twice.
    """

    every_s: float = Field(default=5.0, gt=0, description="pause between two looks")

    @abstractmethod
    async def tend(self, log: "Log") -> Sequence[Event]:
        """Look, act where that is due, and return what is to be told, operational events only.

        What chores tell stands in the home partition of its stream (``contracts.identity.home_of``).
        Raise Unavailable when something is down: it is said, and tried again.
        """


@dataclass(frozen=True)
class Log:
    """What a chore sees: the log as it is recorded, and the time.

    recorded    streams and archive as one
    positions   for each partition: task -> where it is
    now_ns      wall clock
    """

    recorded: Recorded
    positions: Sequence[Mapping[str, str]]
    now_ns: int


class Recorder(Part, Generic[In], ABC):
    """Writes a stream down elsewhere, in order: its position moves only after it says that it has done so.

    It may be called again with the same events after a crash, and must then find its own earlier record.
    """

    linger_s: ClassVar[float] = 2.0
    """How long to wait for more events before a small batch is recorded."""

    @property
    def late_s(self) -> float | None:
        """After how many seconds without a record `LineageDelayed` is told; None: never."""
        return None

    @abstractmethod
    async def record(self, batch: Batch) -> Sequence[Event]:
        """Record the batch and return the receipts."""

    @classmethod
    def reads(cls) -> tuple[type[AnyEvent], ...]:
        return cls._arguments(Recorder, 0)


class Forwarder(Recorder[In], Generic[In, Out], ABC):
    """Brings what it makes of streams of all partitions into one partition, and so into one order, each event once.

    All that it writes is of one stream, and stands in that stream's home partition.
    """

    linger_s: ClassVar[float] = 0.0

    @abstractmethod
    def forward(self, events: Sequence[In], origin: str, now_ns: int) -> Sequence[Out]:
        """What is made of consecutive events of the stream ``origin``; it may be called again with the same ones."""

    async def record(self, batch: Batch) -> Sequence[Event]:
        """Never called: the runtime writes what ``forward`` returns."""
        raise TypeError("a forwarder keeps no record of its own")

    @classmethod
    def reads(cls) -> tuple[type[AnyEvent], ...]:
        return cls._arguments(Forwarder, 0)

    @classmethod
    def writes(cls) -> tuple[type[AnyEvent], ...]:
        return cls._arguments(Forwarder, 1)
