"""Streams of signals for the tests of alerts."""

from collections.abc import Sequence
from typing import Any

from agents.notification.alerts import Alerts
from agents.notification.alerts.alerts import In
from agents.notification.alerts.state import AlertsState
from contracts.alerting import AlertingSettings
from contracts.events import (
    AlertAcknowledged,
    AlertChanged,
    NotificationDue,
    Signal,
    Signalled,
    SubscriberNoted,
    TimePassed,
)
from contracts.instants import SECOND

#: 2023-11-14T22:13:20Z
T0 = 1_700_000_000 * SECOND


def at(second: float) -> int:
    """A time, seconds after the beginning."""
    return T0 + round(second * SECOND)


def tick(second: float) -> TimePassed:
    return TimePassed.of(cause=f"tick {second}", time=at(second), asset="clock")


def signal(finding: str, *, asset: str = "pump", kind: Any = "anomaly", **body: Any) -> Signal:
    """A finding that fires, unless ``state`` says otherwise."""
    data = {
        "key": f"{kind}/{asset}/spike",
        "state": "firing",
        "at": T0,
        "severity": "warning",
        "labels": {"alertname": kind, "detector": "spike"},
        "summary": f"{asset}: {finding}",
    }
    return Signal.model_validate({"finding": finding, "asset": asset, "kind": kind, **data, **body})


def over(finding: str, closes: str = "", **body: Any) -> Signal:
    return signal(finding, state="resolved", closes=closes, **body)


def signalled(second: float, *signals: Signal) -> Signalled:
    cause = f"{second} {signals[0].finding} {signals[-1].finding}"
    return Signalled.of(cause=cause, time=at(second), asset=signals[0].asset, origin="anomalies", signals=signals)


class Scene:
    """A processor of alerts and its state, fed by hand."""

    def __init__(self, **settings: Any) -> None:
        self.part = Alerts(alerting=AlertingSettings.model_validate(settings))
        self.state: AlertsState = self.part.start()
        self.told: list[NotificationDue] = []
        self.changes: list[AlertChanged] = []

    def feed(self, *events: In) -> list[str]:
        """Handle events; what alerts became by them."""
        before = len(self.changes)
        for event in events:
            for out in self.part.handle(event, self.state):
                if isinstance(out, AlertChanged):
                    self.changes.append(out)
                else:
                    self.told.append(out)
        return [change.change for change in self.changes[before:]]

    def pass_time(self, first: float, last: float, step: float = 1.0) -> list[str]:
        """Tick from one second to another."""
        count = round((last - first) / step)
        return self.feed(*(tick(first + step * number) for number in range(count + 1)))

    def messages(self, subscriber: str = "") -> Sequence[NotificationDue]:
        return [each for each in self.told if not subscriber or each.subscriber == subscriber]


def noted(second: float, name: str, **body: Any) -> SubscriberNoted:
    """What is said of a subscriber."""
    return SubscriberNoted.of(cause=f"n{second}", time=at(second), asset=name, name=name, **body)


def ack(one: Scene, second: float, until: float = 0) -> AlertAcknowledged:
    """Somebody takes care of the first alert of a scene."""
    return AlertAcknowledged.of(
        cause=f"a{second}", time=at(second), asset="pump", alert=one.changes[0].alert, by="ann",
        until=at(until) if until else 0,
    )  # fmt: skip
