"""A server that lost its data while we ran: stop, rather than write a second truth."""

import anyio
import pytest

from agents.runtime.home import Home
from agents.supervisor import Supervisor
from agents.topology import Topology
from bus.redis import Server, open_bus
from contracts.errors import StoreLost
from contracts.settings import Settings
from tests.servers import LiveServer


class Idle:
    """A runner with nothing to do until everything stops."""

    def __init__(self, home: Home) -> None:
        self.home = home

    async def run(self) -> None:
        await self.home.stop.wait()


async def test_a_flush_ends_everything_with_the_reason(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    bus, operator = await open_bus(Settings(), server.url), Server(server.url)
    supervisor = Supervisor(Home(bus, "me"), Topology([]), [])
    monkeypatch.setattr(supervisor, "runners", lambda: {"idle": Idle(supervisor.home)})
    try:
        await operator.call("FLUSHALL")
        with anyio.fail_after(20), pytest.raises(StoreLost, match="lost its data"):
            await supervisor.run()
    finally:
        await operator.close()
        await bus.close()
