"""Alerts as they are now: the newest saved state, and what came into the stream since."""

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
    agent, part = configured(settings)
    part.prepare(Context(agent=agent, data_dir=settings.data_dir, partitions=bus.partitions))
    place = Place(Signalled.stream, home_of(Signalled.stream, bus.partitions))
    state, position = await _saved(bus, part, f"{_task(agent)}<{place.stream}", place)
    async for found in scan(bus, place, position + 1):
        wanted = [event for event in found.events if isinstance(event, part.reads())]
        # A storm takes a while: others are served meanwhile.
        await to_thread.run_sync(_taken, part, state, wanted)
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


async def _saved(bus: Bus, part: Alerts, task: str, place: Place) -> tuple[AlertsState, int]:
    """The newest state that can be read, and its position."""
    for snapshot in await bus.snapshots(place.partition, task):
        try:
            return await to_thread.run_sync(part.load, snapshot.data), int(snapshot.position or 0)
        except CorruptEvent:
            continue
    return part.start(), 0


def _taken(part: Alerts, state: AlertsState, events: list[AnyEvent]) -> None:
    for event in events:
        for _ in part.handle(event, state):  # type: ignore[arg-type] # of the types that it reads
            pass
