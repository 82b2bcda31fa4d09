"""The log that a command acts on, and who acts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import anyio

from agents.notification.alerts.present import present
from agents.notification.alerts.state import AlertsState
from bus.history import History, history_of
from bus.redis import open_bus

from ..acting.actor import Actor
from ..host import Host
from ..options import Loaded
from ..who import who

R = TypeVar("R")


@dataclass(frozen=True)
class Session:
    """Somebody at the command line; ``history``: streams and archive as one."""

    actor: Actor
    history: History
    loaded: Loaded

    async def state(self) -> AlertsState:
        """Alerts as they are now. Raises NotFound where none are followed."""
        return await present(self.actor.bus, self.loaded.settings)


def run(loaded: Loaded, work: Callable[[Session], Awaitable[R]], by: str = "") -> R:
    """Do something with the log of a service that runs; ``by``: who does it, else the user of this terminal."""

    async def go(host: Host) -> R:
        async with _session(loaded, host, by or who()) as session:
            return await work(session)

    with Host(loaded.settings, attach=True) as host:
        return anyio.run(go, host, backend_options={"use_uvloop": True})


@asynccontextmanager
async def _session(loaded: Loaded, host: Host, by: str) -> AsyncIterator[Session]:
    bus = await open_bus(loaded.settings, host.url, store_file=host.store_file)
    try:
        yield Session(Actor(bus, loaded.settings, by), history_of(loaded.settings, bus), loaded)
    finally:
        await bus.close()
