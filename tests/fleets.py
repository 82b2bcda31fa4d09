"""Readings and findings of a fleet, put into a log as agents would."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bus.protocol import Bus, Place
from contracts.events import (
    AnomalyDetected,
    DataQualityIncident,
    DriftDetected,
    Evidence,
    ReadingsAccepted,
    ReadingsEvent,
    ReadingsRejected,
)
from contracts.frames import encode
from contracts.identity import partition_of
from contracts.instants import SECOND
from contracts.readings import Readings, Series, Verdict

_MADE: dict[str, Any] = {"detector": "rolling-z", "bundle": "b" * 64, "feature_set": "f", "environment": "e",
         "evidence": Evidence(stream="readings.accepted", first=1, last=2)}  # fmt: skip


def batch(names: Sequence[str], times: Sequence[float], values: Sequence[float]) -> Readings:
    """Readings of the series ("asset/channel"), in this order; times in seconds."""
    series = [Series("src", *name.split("/", 1)) for name in dict.fromkeys(names)]
    numbers = {each.name: number for number, each in enumerate(series)}
    code = np.array([numbers[name] for name in names])
    time = np.array([round(each * SECOND) for each in times], np.int64)
    return Readings.of(series, code, time, np.array(values, np.float64), np.arange(len(code)))


async def readings(bus: Bus, names: Sequence[str], times: Sequence[float], values: Sequence[float]) -> None:
    """Accepted readings of one asset's series."""
    await _put(bus, ReadingsAccepted(batch(names, times, values)), names[0])


async def rejections(bus: Bus, names: Sequence[str], times: Sequence[float], verdict: Verdict) -> None:
    """Rejected ones, all for one reason."""
    found = batch(names, times, [1.0] * len(names))
    await _put(bus, ReadingsRejected(found.marked(np.full(len(names), verdict, np.uint8))), names[0])


async def _put(bus: Bus, event: ReadingsEvent, name: str) -> None:
    place = Place(event.stream, partition_of(name.partition("/")[0], bus.partitions))
    await bus.append(place, list(encode([event], "test")))


def anomaly(asset: str, channel: str = "", time: int = 10, **fields: Any) -> AnomalyDetected:
    body: dict[str, Any] = {"score": 0.9, "threshold": 0.5, "reason": "level", "value": 1.0} | _MADE | fields
    return AnomalyDetected.of(cause="c", time=time, asset=asset, channel=channel, **body)


def drifted(asset: str, channel: str, kind: str = "mean") -> DriftDetected:
    return DriftDetected.of(
        cause="c", time=10, asset=asset, channel=channel, kind=kind, direction="up", effect=1.0, effect_low=0.5,
        effect_high=2.0, unit="sd", since=5, evidence_value=2.0, reference="r", **_MADE,
    )  # fmt: skip


def incident(asset: str, channel: str, kind: Any = "stale", state: Any = "open") -> DataQualityIncident:
    return DataQualityIncident.of(
        cause="c", time=10, asset=asset, channel=channel, discriminator=f"{kind} {state}", kind=kind, state=state,
        detail="silent for 2 min", since=1,
    )  # fmt: skip
