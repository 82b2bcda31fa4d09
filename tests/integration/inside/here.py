"""A running interface on a real log, for the tests of what it tells of Tocsin itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from agents.runtime.home import dead_letter
from bus.protocol import Place
from bus.redis.bus import RedisBus
from contracts.events import (
    Event,
)
from contracts.frames import encode
from contracts.identity import home_of
from contracts.instants import SECOND
from contracts.settings import AgentSettings, AlertingSettings, ArchiveSettings, Settings
from tests.apis import running_api
from tests.conftest import PARTITIONS, Servers, emptied
from tests.unit.runtime.test_sinking import STREAM, due

SINK = "notification.delivery"
TASK = "anomaly<readings.accepted"
HOSTILE = "<img src=x onerror=alert(1)>"
MODEL = "pumps"


@dataclass
class Inside:
    """A running interface on a log of its own."""

    bus: RedisBus
    client: httpx.AsyncClient
    data_dir: Path

    async def put(self, *events: Event, partition: int | None = None) -> None:
        for event in events:
            number = home_of(event.stream, PARTITIONS) if partition is None else partition
            await self.bus.append(Place(event.stream, number), list(encode([event], "test")))

    async def bury(self, subject: str, number: int, agent: str = SINK, **changes: Any) -> str:
        """A dead letter of second ``number``; returns its id."""
        event = due(subject).model_copy(update=changes)
        fields = next(iter(encode([event], "notifier"))).fields()
        error = OSError(f"nobody answers for {subject}")
        letter = dead_letter(agent, Place(STREAM, 0), number, fields, error, tries=3, time=number * SECOND)
        await self.put(letter, partition=0)
        return letter.id

    async def get(self, path: str, status: int = 200) -> Any:
        answer = await self.client.get(f"/api/v1{path}")
        assert answer.status_code == status, answer.text
        return answer.json()

    async def send(self, path: str, body: dict[str, Any] | None = None, status: int = 200) -> Any:
        answer = await self.client.post(f"/api/v1{path}", json=body or {})
        assert answer.status_code == status, answer.text
        return answer.json()

    async def page(self, path: str) -> str:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text


@asynccontextmanager
async def inside(servers: Servers, folder: Path) -> AsyncIterator[Inside]:
    """With a validation, an anomaly agent that follows an alias, and a sink for alerts."""
    agents: dict[str, Any] = {
        "acquisition": {"sources": {"push": {"kind": "http"}}},
        "validation": {},
        "anomaly": {"model": f"{MODEL}@production"},
        "notification": {},
    }
    alerting = {
        "route": {"receiver": "mes", "routes": [{"matchers": ['severity="critical"'], "receiver": "duty"}]},
        "receivers": {"duty": {"steps": [{"tell": ["mes"]}]}},
        "subscribers": {"mes": {"kind": "file", "path": "told.jsonl", "events": ["all"]}},
    }
    settings = Settings(
        data_dir=folder,
        archive=ArchiveSettings(enabled=False),
        agents={name: AgentSettings.model_validate(own) for name, own in agents.items()},
        alerting=AlertingSettings.model_validate(alerting),
    )
    bus = await emptied(servers.get("valkey"))
    try:
        async with running_api(bus, settings) as api:
            url = f"http://127.0.0.1:{api.port}"
            async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
                yield Inside(bus, client, folder)
    finally:
        await bus.close()
