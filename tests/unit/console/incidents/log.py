"""A log in memory with an incident in it, for the tests of reports."""

from pathlib import Path
from typing import Any

import numpy as np

from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Place
from bus.saved import Saved
from console.alerting.story import story
from console.incidents.content import content
from console.incidents.gathering import Gathering
from console.incidents.subject import Subject, subject
from console.options import Choices
from console.past.record import Record
from contracts.events import (
    AnyEvent,
    DataQualityIncident,
    Evidence,
    ReadingsAccepted,
)
from contracts.frames import encode
from contracts.identity import partition_of
from contracts.instants import SECOND
from contracts.readings import Readings, Series
from tests.unit.notification.made import T0, anomaly

BEGAN = 1_000
PARTITIONS = 2


class Log:
    """A log in memory with an hour of readings of ``pump``, each second, and a finding among them."""

    def __init__(self, folder: Path) -> None:
        self.bus, self.folder = MemoryBus(PARTITIONS), folder
        self.finding = anomaly(BEGAN, evidence=Evidence(stream="readings.accepted", first=900, last=1000))

    async def put(self, *events: AnyEvent, asset: str = "pump", partition: int | None = None) -> None:
        number = partition_of(asset, PARTITIONS) if partition is None else partition
        for event in events:
            await self.bus.append(Place(event.stream, number), list(encode([event], "test")))

    async def read(self, first: int = 0, last: int = 2_000, asset: str = "pump", source: str = "s") -> None:
        for begin in range(first, last, 100):
            await self.put(ReadingsAccepted(readings(begin, begin + 100, asset, source)), asset=asset)

    async def begin(self) -> "Log":
        await self.read()
        await self.put(self.finding)
        return self

    @property
    def record(self) -> Record:
        return Record(History(None, self.bus), Saved(None, self.bus), "log")

    async def subject(self, text: str = "") -> Subject:
        return await subject(self.record, Choices(data_dir=self.folder).load(), text or self.finding.id)

    async def report(self, text: str = "") -> dict[str, Any]:
        about = await self.subject(text)
        around = await Gathering(self.record.history, about).gather()
        alert = about.alert()
        told = await story(self.bus, alert) if alert else {}
        return content(about, around, story=told, lineage=None, missing={}, bundle=None)

    async def verdict(self, cause: str) -> tuple[str, list[str]]:
        found = next(each for each in (await self.report())["candidates"] if cause in each["cause"])
        return found["verdict"], found["evidence"]


def readings(first: int, last: int, asset: str = "pump", source: str = "s") -> Readings:
    at = np.arange(first, last)
    series = [Series(source, asset, "temperature")]
    return Readings.of(series, np.zeros(len(at), np.int32), T0 + at * SECOND, np.sin(at), at)


def trouble(kind: str, second: int, channel: str = "temperature", **body: Any) -> DataQualityIncident:
    time = T0 + second * SECOND
    data = {"kind": kind, "state": "open", "detail": "so it is", "since": time, **body}
    return DataQualityIncident.of(cause=f"{kind} {second}", time=time, asset="pump", channel=channel, **data)
