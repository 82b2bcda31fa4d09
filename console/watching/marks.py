"""What is drawn on the curve of a series: findings, rejected readings, gaps, alerts, and what scores from here on."""

from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import NamedTuple

import numpy as np

from agents.notification.wording import what
from contracts.events import (
    AlertChanged,
    AnomalyCleared,
    AnomalyDetected,
    DataQualityIncident,
    DriftDetected,
    Event,
    ModelServed,
)
from contracts.readings import Readings, verdict_word

_MOST_TEXT = 200


class Mark(NamedTuple):
    """One of them. ``time`` is event time, ns; ``id`` that of the event or alert; no ``channel``: all of the asset."""

    kind: str
    asset: str
    channel: str
    time: int
    text: str
    id: str

    def said(self, series: str) -> dict[str, object]:
        """As it is sent of one series."""
        time = self.time // 1_000_000
        return {"series": series, "kind": self.kind, "t": time, "text": self.text[:_MOST_TEXT], "id": self.id}


@singledispatch
def mark_of(event: Event) -> Mark | None:
    """The mark that an event leaves; None for most."""
    return None


@mark_of.register
def _(event: AnomalyDetected) -> Mark:
    return Mark("anomaly", event.asset, event.channel, event.time, what(event), event.id)


@mark_of.register
def _(event: AnomalyCleared) -> Mark:
    return Mark("anomaly", event.asset, event.channel, event.time, "the anomaly is over", event.id)


@mark_of.register
def _(event: DriftDetected) -> Mark:
    return Mark("drift", event.asset, event.channel, event.time, what(event), event.id)


@mark_of.register
def _(event: DataQualityIncident) -> Mark:
    return Mark("gap", event.asset, event.channel, event.time, f"{event.kind}: {event.detail}", event.id)


@mark_of.register
def _(event: AlertChanged) -> Mark:
    return Mark("alert", event.asset, event.channel, event.last, f"{event.change}: {event.summary}", event.alert)


@mark_of.register
def _(event: ModelServed) -> Mark:
    return Mark("model", "", "", event.time, f"{event.agent} scores with {event.bundle[:12]}", event.id)


def rejected(readings: Readings, chosen: Sequence[int]) -> Iterator[Mark]:
    """One mark for each of some series of a batch (their codes) of which readings were rejected."""
    for code in chosen:
        rows = np.flatnonzero(readings.code == code)
        words = dict.fromkeys(verdict_word(verdict) for verdict in np.unique(readings.verdict[rows]).tolist())
        _, asset, channel = readings.series[code]
        text = f"{len(rows):,} rejected: {', '.join(words)}"
        yield Mark("rejected", asset, channel, int(readings.time[rows[0]]), text, readings.id_of(int(rows[0])))
