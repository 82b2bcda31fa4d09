"""Findings for the tests of notification."""

from typing import Any

from contracts.events import (
    AnomalyCleared,
    AnomalyDetected,
    DataQualityIncident,
    DriftDetected,
    Evidence,
    NotificationDue,
)
from contracts.instants import SECOND

#: 2023-11-14T22:13:20Z
T0 = 1_700_000_000 * SECOND

_IDENTITY: dict[str, Any] = {
    "detector": "spike",
    "bundle": "b" * 32,
    "feature_set": "f" * 32,
    "environment": "e" * 32,
    "evidence": Evidence(stream="readings.accepted", first=1, last=9),
}


def anomaly(second: float, *, asset: str = "pump", **body: Any) -> AnomalyDetected:
    data = {
        "channel": "temperature",
        "score": 0.93,
        "threshold": 0.8,
        "reason": "far above its recent past",
        "value": 81.5,
    }
    time = T0 + round(second * SECOND)
    return AnomalyDetected.of(cause=f"reading {second}", time=time, asset=asset, **_IDENTITY | data | body)


def cleared(opened: AnomalyDetected, after: float) -> AnomalyCleared:
    lasted = round(after * SECOND)
    return AnomalyCleared.of(
        cause=opened.id,
        time=opened.time + lasted,
        asset=opened.asset,
        channel="temperature",
        lasted=lasted,
        **_IDENTITY,
    )


def drift(second: float, **body: Any) -> DriftDetected:
    data = {
        "channel": "temperature",
        "kind": "mean",
        "direction": "up",
        "effect": 1.5,
        "effect_low": 1.1,
        "effect_high": 1.9,
        "unit": "sd",
        "since": T0,
        "evidence_value": 3.2,
        "reference": "r" * 32,
    }
    time = T0 + round(second * SECOND)
    return DriftDetected.of(cause=f"reading {second}", time=time, asset="pump", **_IDENTITY | data | body)


def incident(second: float, state: str = "open", **body: Any) -> DataQualityIncident:
    data: dict[str, Any] = {
        "channel": "temperature",
        "kind": "gap",
        "state": state,
        "detail": "nothing for 10 s",
        "since": T0,
    }
    time = T0 + round(second * SECOND)
    return DataQualityIncident.of(
        cause=f"reading {second}", time=time, asset="pump", discriminator=f"gap {state}", **data | body
    )


def due(text: str = "trouble", key: str = "k1", **body: Any) -> NotificationDue:
    data: dict[str, Any] = {"subject": text, "body": f"Why: {text}", "severity": "warning", "finding": "f1"}
    return NotificationDue.of(cause="f1", time=T0, asset="pump", discriminator=key, key=key, **data | body)
