"""What every runner shares: the bus, who we are, how long to wait, and telling the log about ourselves."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from secrets import token_hex
from traceback import format_exception
from typing import Any

import anyio
import structlog

from bus.protocol import Bus, Place, Recorded
from contracts.events import (
    AgentFailed,
    AgentStarted,
    AgentStopped,
    AnyEvent,
    DeadLettered,
    Event,
    LogGap,
    LogRewound,
    ModelLoaded,
    PartitionStopped,
)
from contracts.frames import Frame, encode
from contracts.identity import home_of
from contracts.redaction import redacted
from contracts.settings import BusSettings

from ..clock import Clock
from ..telemetry import Telemetry
from .watchdog import Steps

log = structlog.get_logger()

MAX_TRACE = 4000
#: A frame is at most 1 MiB, with some room for type, writer and digest.
_LARGEST_ENTRY = (1 << 20) + (1 << 16)


@dataclass(frozen=True)
class Home:
    """The surroundings of a runner; the same for all runners of one process."""

    bus: Bus
    owner: str
    settings: BusSettings = field(default_factory=BusSettings)
    clock: Clock = field(default_factory=Clock)
    stop: anyio.Event = field(default_factory=anyio.Event)
    telemetry: Telemetry = field(default_factory=Telemetry)
    steps: Steps = field(default_factory=Steps)
    #: Archive and stream as one log; None where there is no archive.
    history: Recorded | None = None
    #: Tells this process from every other, its own next life included.
    life: str = field(default_factory=lambda: token_hex(4))
    #: Held while an entry is tried on which a process may have died: nothing else can be blamed on it then.
    alone: anyio.Lock = field(default_factory=anyio.Lock)

    @property
    def recorded(self) -> Recorded:
        """All that happened, as far as anything keeps it."""
        return self.history or self.bus

    @property
    def stopping(self) -> bool:
        return self.stop.is_set()

    async def sleep(self, seconds: float) -> None:
        """Wait, but not longer than until everything stops."""
        with anyio.move_on_after(seconds):
            await self.stop.wait()

    def home_partition(self, name: str) -> int:
        """The partition that keeps what belongs to ``name`` rather than to an asset."""
        return home_of(name, self.bus.partitions)

    async def tell(self, partition: int, writer: str, *events: Event) -> None:
        """Append operational events. They are news, not truth: never worth failing for."""
        for event in events:
            await self.bus.append(Place(event.stream, partition), list(encode([event], writer)))

    async def started(self, agent: str) -> None:
        """Tell that this process runs an agent from here on."""
        event = AgentStarted.of(**self._about(agent, self.clock.wall_ns()), agent=agent, owner=self.owner)
        await self.tell(self.home_partition(agent), agent, event)

    async def stopped(self, agent: str) -> None:
        """Tell that this process ended an agent in order."""
        event = AgentStopped.of(**self._about(agent, self.clock.wall_ns()), agent=agent, owner=self.owner)
        await self.tell(self.home_partition(agent), agent, event)

    async def loaded(self, agent: str, bundle: str) -> None:
        """Tell that an agent serves a bundle from here on."""
        event = ModelLoaded.of(**self._about(agent, self.clock.wall_ns()), bundle=bundle, agent=agent)
        await self.tell(self.home_partition(agent), agent, event)

    async def failed(self, agent: str, error: BaseException) -> None:
        about = self._about(agent, self.clock.wall_ns())
        event = AgentFailed.of(
            **about, agent=agent, owner=self.owner, error=redacted(f"{type(error).__name__}: {error}")[:500]
        )
        await self.tell(self.home_partition(agent), agent, event)

    async def halted(self, task: str, place: Place, position: int, error: BaseException) -> None:
        """Tell that a task stands still on a partition, for somebody to look at it."""
        event = PartitionStopped.of(
            **self._about(task, self.clock.wall_ns()),
            agent=task,
            owner=self.owner,
            origin=place.stream,
            position=position,
            error=redacted(f"{type(error).__name__}: {error}")[:2000],
        )
        await self.tell(place.partition, task, event)

    async def rewound(self, task: str, partition: int, first: int, last: int, *, refed: bool = True) -> None:
        """Tell that the log lost its end: ``first`` to ``last``, as the task counts, had been in it."""
        detail = "it is read again" if refed else "what was pushed does not come again"
        log.error("the log lost its end", task=task, partition=partition, first=first, last=last, then=detail)
        event = LogRewound.of(
            **self._about(task, self.clock.wall_ns()),
            agent=task,
            first=first,
            last=last,
            partition=partition,
            refed=refed,
            detail=detail,
        )
        await self.tell(self.home_partition(task), task, event)

    def _about(self, agent: str, number: int) -> dict[str, Any]:
        return {
            "cause": self.owner,
            "time": self.clock.wall_ns(),
            "asset": agent,
            "discriminator": f"{self.owner} {number}",
        }


def outputs(events: Sequence[AnyEvent], writer: str) -> list[tuple[str, Frame]]:
    """Events as the outputs of a commit."""
    return [(kind.stream, frame) for kind, group in _neighbours(events) for frame in encode(group, writer)]


def _neighbours(events: Sequence[AnyEvent]) -> list[tuple[type[AnyEvent], list[AnyEvent]]]:
    """Events of one type together: streams keep their order, and frames hold more."""
    groups: dict[type[AnyEvent], list[AnyEvent]] = {}
    by_stream: dict[str, type[AnyEvent]] = {}
    done: list[tuple[type[AnyEvent], list[AnyEvent]]] = []
    for event in events:
        kind = type(event)
        before = by_stream.get(kind.stream)
        if before is not None and before is not kind:
            done.append((before, groups.pop(before)))
        by_stream[kind.stream] = kind
        groups.setdefault(kind, []).append(event)
    return done + list(groups.items())


def log_gap(agent: str, place: Place, first: int, last: int, *, time: int) -> LogGap:
    """Entries that were gone before they were read: said in the log of the service, and in the events."""
    log.error(
        "entries are missing from the log",
        task=agent,
        stream=place.stream,
        partition=place.partition,
        first=first,
        last=last,
    )
    return LogGap.of(
        cause=f"{place.stream}/{first}",
        time=time,
        asset=agent,
        discriminator=f"{agent} {place.stream} {place.partition} {first}",
        agent=agent,
        origin=place.stream,
        first=first,
        last=last,
    )


def dead_letter(  # noqa: PLR0913 - one argument per field that the caller knows
    agent: str,
    place: Place,
    position: int,
    frame: dict[bytes, bytes],
    error: BaseException,
    *,
    tries: int,
    time: int,
    events: int = 1,
    at: int = 0,
) -> DeadLettered:
    """An entry, or a part of one, that could not be handled, with everything needed to try again.

    ``events`` are in the frame; ``at`` is the ordinal of the Redriven that it came with, if it did.
    """
    from base64 import b64encode

    trace = redacted("".join(format_exception(error)))[-MAX_TRACE:]
    return DeadLettered.of(
        cause=f"{place.stream}/{position}",
        time=time,
        asset=agent,
        # Several events of one entry may be buried: their frames tell them apart.
        discriminator=f"{agent} {place.stream} {place.partition} {at or position} {frame.get(b'd', b'').hex()}",
        agent=agent,
        origin=place.stream,
        position=position,
        events=events,
        at=at,
        reason=redacted(f"{type(error).__name__}: {error}")[:1000],
        trace=f"{blake2b(trace.encode(), digest_size=8).hexdigest()}\n{trace}",
        tries=tries,
        frame={key.decode(errors="replace"): b64encode(value).decode() for key, value in _bearable(frame).items()},
    )


def _bearable(frame: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The fields of an entry; only the beginning of one that is larger than any of ours: somebody else wrote it."""
    if sum(len(key) + len(value) for key, value in frame.items()) <= _LARGEST_ENTRY:
        return frame
    return {key[:100]: value[:1000] for key, value in list(frame.items())[:20]}
