"""Alerts as they are now: the newest saved state, and what came into the stream since."""

import anyio
import anyio.lowlevel
from anyio import to_thread

from bus.protocol import Bus, Place
from bus.scan import scan
from contracts.errors import CorruptEvent, NotFound
from contracts.events import AnyEvent, Signalled
from contracts.identity import home_of
from contracts.settings import Settings

from ...parts import Context
from .alerts import Alerts
from .state import AlertsState

_KIND, _PART = "notification", "alerts"


async def present(bus: Bus, settings: Settings) -> AlertsState:
    """What the processor of alerts makes of its stream up to its present end, computed here; nothing is written.

    Raises NotFound where no agent of this configuration follows alerts, and Unavailable when the server is down.
    """
    return await Present(bus, settings).state()


class Present:
    """Alerts as they are now, for somebody who asks again and again: only what is new is read.

    Raises NotFound where no agent of the configuration follows alerts.
    """

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self._bus = bus
        agent, self._part = configured(settings)
        self._part.prepare(Context(agent=agent, data_dir=settings.data_dir, partitions=bus.partitions))
        self._place = Place(Signalled.stream, home_of(Signalled.stream, bus.partitions))
        self._task = f"{_task(agent)}<{self._place.stream}"
        self._known: tuple[AlertsState, int] | None = None
        self._reading = anyio.Lock()

    async def state(self) -> AlertsState:
        """The state now; the same object each time, and not to be changed. Raises Unavailable."""
        async with self._reading:
            end = (await self._bus.ends([self._place]))[self._place]
            known, self._known = self._known, None
            if known is None or known[1] > end:
                # A log that lost its end tells another story from there on.
                known = await _saved(self._bus, self._part, self._task, self._place, end)
            state, position = known
            async for found in scan(self._bus, self._place, position + 1, end):
                # Not in a thread: whoever asked before looks at the same object.
                _taken(self._part, state, [event for event in found.events if isinstance(event, self._part.reads())])
                await anyio.lowlevel.checkpoint()
            self._known = state, max(end, position)
            return state


def configured(settings: Settings) -> tuple[str, Alerts]:
    """The agent that follows alerts, and its processor. Raises NotFound."""
    for name, agent in settings.agents.items():
        if agent.enabled and (agent.kind or name) == _KIND:
            own = agent.own.get("alerting")
            alerting = settings.alerting if own is None else type(settings.alerting).model_validate(own)
            if alerting.on:
                return name, Alerts(alerting=alerting)
    raise NotFound("no alerts are followed", mend="Configure routes or subscribers under alerting, and start anew")


def _task(agent: str) -> str:
    return agent if agent == _PART else f"{agent}.{_PART}"


async def _saved(bus: Bus, part: Alerts, task: str, place: Place, end: int) -> tuple[AlertsState, int]:
    """The newest state that can be read, and its position."""
    for snapshot in await bus.snapshots(place.partition, task):
        position = int(snapshot.position or 0)
        # One that is ahead of the log belongs to a log that lost its end.
        if position > end:
            continue
        try:
            return await to_thread.run_sync(part.load, snapshot.data), position
        except CorruptEvent:
            continue
    return part.start(), 0


def _taken(part: Alerts, state: AlertsState, events: list[AnyEvent]) -> None:
    for event in events:
        for _ in part.handle(event, state):  # type: ignore[arg-type] # of the types that it reads
            pass
