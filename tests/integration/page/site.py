"""A log with readings, findings, a model and alerts, some of them hostile; and the pages over a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from agents.notification.alerts import Alerts
from agents.parts import Context
from bus.protocol import Bus, Place
from console.api.application import Application
from contracts.alerting import AlertingSettings
from contracts.events import (
    AnomalyDetected,
    AnyEvent,
    Event,
    Evidence,
    LineageRecorded,
    ModelPublished,
    ReadingsAccepted,
    Signal,
    Signalled,
    TimePassed,
)
from contracts.frames import encode
from contracts.identity import home_of, partition_of
from contracts.instants import SECOND
from contracts.readings import Readings, Series
from contracts.settings import AgentSettings, ArchiveSettings, Settings
from models.bundle import Bundle, builtin
from models.cache import BundleCache
from tests.apis import running_api

ALERTING: dict[str, Any] = {
    "route": {"receiver": "screen"},
    "subscribers": {"screen": {"kind": "console"}},
}
T0 = 1_790_000_000 * SECOND
PUMP, CHANNELS = "pump-1", ("temperature", "vibration")
READINGS = 600
#: A name as no source may give one; and what somebody writes into a note.
EVIL = """<img src=x onerror=alert(1)>"'--><script>alert(2)</script>{{7*7}}"""


@dataclass
class Site:
    """Everything that the tests ask about."""

    bus: Bus
    settings: Settings
    bundle: Bundle
    findings: list[AnomalyDetected]
    client: httpx.AsyncClient
    application: Application

    async def get(self, path: str, status: int = 200) -> str:
        """A page."""
        answer = await self.client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == status, answer.text
        assert answer.headers["Content-Type"].startswith("text/html")
        return answer.text

    async def json(self, path: str, status: int = 200, /, **query: Any) -> Any:
        """The same for programs."""
        answer = await self.client.get(f"/api/v1{path}", params=query or None)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def alert(self, asset: str = PUMP, channel: str = "temperature") -> str:
        """The id of the alert of a series."""
        rows = (await self.json("/alerts", limit=1000))["alerts"]
        return str(next(row["id"] for row in rows if (row["asset"], row["channel"]) == (asset, channel)))


@cache
def made() -> Bundle:
    """A bundle that serves; making it takes longer than a test."""
    return builtin("ewma")


def settings_of(folder: Path, **more: Any) -> Settings:
    agents = {"notification": AgentSettings()}
    alerting = AlertingSettings.model_validate(ALERTING)
    about: dict[str, Any] = {"archive": ArchiveSettings(enabled=False), "agents": agents, "alerting": alerting} | more
    return Settings(data_dir=folder, **about)


def finding(bundle: Bundle, number: int, channel: str, **fields: Any) -> AnomalyDetected:
    """One whose evidence ends at reading ``number``."""
    about: dict[str, Any] = {
        "score": 0.991, "threshold": 0.9, "reason": "level", "value": 42.5, "detector": "ewma",
        "bundle": bundle.digest, "feature_set": bundle.manifest.feature_set_hash,
        "environment": bundle.manifest.environment_hash,
        "evidence": Evidence(stream="readings.accepted", first=number - 59, last=number),
    }  # fmt: skip
    return AnomalyDetected.of(
        cause=f"r{number}", time=T0 + number * SECOND, asset=PUMP, channel=channel, **about | fields
    )


def signal(key: str, found: str, asset: str, channel: str, **fields: Any) -> Signal:
    about: dict[str, Any] = {
        "key": key, "kind": "anomaly", "state": "firing", "finding": found, "asset": asset, "channel": channel,
        "at": T0, "summary": f"{asset}/{channel}: level", "labels": {"asset": asset, "kind": "anomaly"},
    }  # fmt: skip
    return Signal(**about | fields)


async def put(bus: Bus, event: AnyEvent, partition: int) -> None:
    await bus.append(Place(event.stream, partition), list(encode([event], "test")))


async def told(bus: Bus, folder: Path, signals: list[Signal]) -> None:
    """Signals come in one each second, and the agent says what becomes of them."""
    home = home_of("signals", bus.partitions)
    part = Alerts(alerting=AlertingSettings.model_validate(ALERTING))
    part.prepare(Context(agent="notification", data_dir=folder, partitions=bus.partitions))
    state = part.start()
    for number, each in enumerate(signals):
        at = T0 + number * SECOND
        events: list[Event] = [
            TimePassed.of(cause="clock", time=at, asset="clock"),
            Signalled.of(cause=each.finding, time=at, asset=each.asset, origin="anomalies", signals=(each,)),
        ]
        for event in events:
            await put(bus, event, home)
            for out in part.handle(event, state):  # type: ignore[arg-type] # of the types that it reads
                await put(bus, out, home)


async def filled(bus: Bus, folder: Path, bundle: Bundle) -> list[AnomalyDetected]:
    """Readings of a pump, three findings of them, a version, a run, and an alert for each finding and for EVIL."""
    partition = partition_of(PUMP, bus.partitions)
    at = np.arange(1, READINGS + 1)
    values = np.where(at > READINGS // 2, at / 7.0, 20.0)
    series = [Series("plant", PUMP, channel) for channel in CHANNELS]
    for part in Readings.of(series, at % 2, T0 + at * SECOND, values, at).cut(100):
        await put(bus, ReadingsAccepted(part), partition)
    shares = {"temperature": 0.75, "vibration": 0.25}
    found = [
        finding(bundle, 400, "temperature", severity="critical"),
        finding(bundle, 450, "vibration", score=0.93),
        finding(bundle, 500, "", contributions=shares, reason=EVIL),
    ]
    for each in found:
        await put(bus, each, partition)
    about = {"name": "pumps", "model_version": "3", "bundle": bundle.digest, "run_id": "7" * 32}
    await put(bus, ModelPublished.of(cause="m", time=0, asset="coordinator", **about), 0)
    recorded: dict[str, Any] = {"run_id": "4" * 32, "findings": "anomalies", "first": 1, "last": 2, "digest": "d"}
    await put(bus, LineageRecorded.of(cause="1", time=0, asset="coordinator", **recorded), partition)
    signals = [
        signal(
            f"anomaly:{PUMP}/{each.channel}", each.id, PUMP, each.channel, severity=each.severity, score=each.score,
            bundle=each.bundle, contributions=each.contributions, at=each.time,
        )
        for each in found
    ]  # fmt: skip
    signals.append(
        signal(
            "evil", "e" * 32, EVIL, EVIL, summary=EVIL, detail=EVIL, kind="data", severity="info",
            contributions={EVIL: 0.5}, labels={"asset": EVIL, "kind": "data", "channel": EVIL},
        )
    )  # fmt: skip
    await told(bus, folder, signals)
    return found


@asynccontextmanager
async def site(bus: Bus, folder: Path, settings: Settings | None = None, **api: Any) -> AsyncIterator[Site]:
    """The filled log, and its pages."""
    bundle = made()
    BundleCache(folder).put(bundle)
    found = await filled(bus, folder, bundle)
    settings = settings or settings_of(folder)
    async with (
        running_api(bus, settings, **api) as running,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}", timeout=30) as client,
    ):
        yield Site(bus, settings, bundle, found, client, running.application)
