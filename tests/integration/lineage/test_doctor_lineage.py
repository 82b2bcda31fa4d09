"""The doctor tells of findings that are not recorded, once that was told as a delay, and until it is over."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from bus.embedded import EmbeddedServer
from bus.protocol import Commit, Place
from bus.redis import open_bus
from bus.redis.bus import RedisBus
from console.checks.finding import Finding
from console.checks.scene import Limits
from console.doctor import examination
from console.options import Choices
from contracts.events import Event, LineageDelayed
from contracts.frames import encode
from tests.integration.lineage.worker import TASK, finding

CONFIG = {"acquisition": {"sources": {"push": {"kind": "http"}}}, "validation": {}, "anomaly": {}, "coordinator": {}}


@dataclass
class Service:
    """A log of a service whose processes do not run."""

    choices: Choices
    url: str

    async def open(self) -> RedisBus:
        settings = self.choices.load().settings
        return await open_bus(settings, self.url, store_file=settings.data_dir / "store-id")

    def append(self, *events: Event) -> None:
        async def act() -> None:
            bus = await self.open()
            for event in events:
                await bus.append(Place(event.stream, 0), list(encode([event], "test")))
            await bus.close()

        anyio.run(act)

    def recorded(self, upto: int) -> None:
        async def act() -> None:
            bus = await self.open()
            await bus.fence(0, TASK, 1)
            await bus.commit(Commit(0, TASK, 1, await bus.position(0, TASK), str(upto)))
            await bus.close()

        anyio.run(act)

    @property
    def told(self) -> Finding:
        limits = Limits(free_share=0.0, free_bytes=0, patience_s=0.1)
        found = anyio.run(examination, self.choices, False, limits)
        return next(each for each in found if each.check == "log.lineage")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    config = tmp_path / "tocsin.yaml"
    config.write_text(json.dumps({"agents": CONFIG}))
    (tmp_path / "d").mkdir(mode=0o700)
    with EmbeddedServer(tmp_path / "d" / "redis", maxmemory_mb=64) as server:
        yield Service(Choices(config, tmp_path / "d"), server.url)


def delay(state: str, number: int) -> LineageDelayed:
    return LineageDelayed.of(
        cause="o", time=number, asset="coordinator.lineage", discriminator=str(number), task=TASK, state=state,
        behind=5, since=1_700_000_000 * 10**9, error="MLflow at http://x: away",
    )  # fmt: skip


def test_a_delay_is_found_with_its_cause_until_it_is_over(service: Service) -> None:
    service.append()
    assert (service.told.status, service.told.found) == ("ok", "every finding is recorded")
    service.append(*(finding(0, number) for number in range(1, 6)))
    assert (service.told.status, service.told.found) == ("ok", "5 findings on their way to MLflow")
    service.append(delay("delayed", 1))
    found = service.told
    assert (found.status, found.cause) == ("warn", "MLflow at http://x: away")
    assert found.found == "5 findings are not recorded, the oldest since 2023-11-14T22:13:20Z"
    service.append(delay("caught up", 2))
    service.recorded(4)
    assert (service.told.status, service.told.found) == ("ok", "1 findings on their way to MLflow")
