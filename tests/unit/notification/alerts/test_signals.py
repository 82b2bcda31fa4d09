"""Findings as signals: which are about one trouble, which say that it is over, and that all fit into the log."""

from typing import Any

import pytest

from agents.notification.signals import Gather
from agents.notification.signals.signal import signal_of
from contracts.events import (
    Candidate,
    DriftReferenced,
    Event,
    HealthChanged,
    PrecisionFell,
    RolloutChanged,
    ScoresDrifted,
    Signal,
    Signalled,
    SubscriberChanged,
    SubscriberNoted,
    SubscriberRemoved,
    SubscriberSet,
)
from contracts.frames import encode
from tests.unit.notification.alerts.sequence import Scene, tick
from tests.unit.notification.made import T0, anomaly, cleared, drift, incident

ABOUT: dict[str, Any] = {"cause": "c", "time": T0, "asset": "service"}


def of(event: Event) -> Signal:
    signal = signal_of(event)
    assert signal is not None
    return signal


def referenced(channel: str) -> DriftReferenced:
    return DriftReferenced.of(
        cause="c", time=T0, asset="pump", channel=channel, agent="drift", reference="r", origin="own past", begin=1,
        end=2, by="ann",
    )  # fmt: skip


def health(state: str) -> HealthChanged:
    return HealthChanged.of(**ABOUT, discriminator=state, check="served-models", state=state, found="one is old",
                            due_to="nobody trained", mend="Train")  # fmt: skip


def rollout(state: str) -> RolloutChanged:
    candidate = Candidate(bundle="b", mode="shadow", rollout="r")
    return RolloutChanged.of(
        **ABOUT, discriminator=state, agent="anomaly", state=state, candidate=candidate, by="guard", why="too many"
    )


def subscriber(state: str) -> SubscriberChanged:
    return SubscriberChanged.of(**ABOUT, discriminator=state, name="hook", state=state, why="50 failed")


def scores() -> ScoresDrifted:
    return ScoresDrifted.of(
        **ABOUT, agent="anomaly", bundle="b", statistic="mean score", kind="mean", direction="up", effect=1.0,
        effect_low=0.5, effect_high=1.5, unit="sd", since=T0, evidence_value=2.0,
    )  # fmt: skip


def precision() -> PrecisionFell:
    return PrecisionFell.of(**ABOUT, bundle="b", labels=40, precision=0.2, low=0.1, high=0.4, least=0.5)


FIRST = anomaly(1)
PAIRS = [
    (FIRST, cleared(FIRST, 9)),
    (drift(1, channel="temp"), referenced("temp")),
    (drift(1, channel="temp with rpm"), referenced("rpm")),
    (incident(1), incident(2, "closed")),
    (health("failed"), health("ok")),
    (rollout("aborted"), rollout("running")),
    (subscriber("disabled"), subscriber("active")),
    (subscriber("disabled"), SubscriberRemoved.of(**ABOUT, name="hook", by="ann")),
]


@pytest.mark.parametrize(("begin", "end"), PAIRS, ids=lambda event: event.type_name())
def test_what_ends_a_trouble_resolves_its_alert(begin: Event, end: Event) -> None:
    scene = Scene()
    scene.feed(tick(0))
    changes = [
        scene.feed(Signalled.of(cause=event.id, time=T0, asset="x", origin="x", signals=(of(event),)))
        for event in (begin, end)
    ]
    assert changes == [["opened"], ["resolved"]]


@pytest.mark.parametrize("event", [*(begin for begin, _ in PAIRS), scores(), precision()])
def test_a_signal_says_what_it_is_and_where(event: Event) -> None:
    signal = of(event)
    assert (signal.state, signal.finding, signal.at) == ("firing", event.id, event.time)
    assert signal.labels["alertname"] == signal.kind == signal.key.partition("/")[0]
    assert "severity" not in signal.labels
    assert signal.summary
    assert "\n" not in signal.summary


def test_other_detectors_channels_and_kinds_are_other_troubles() -> None:
    events = [
        anomaly(1), anomaly(1, asset="fan"), anomaly(1, detector="other"), drift(1), drift(1, kind="new asset"),
        incident(1), incident(1, kind="stuck"), incident(1, channel="rpm"),
    ]  # fmt: skip
    assert len({of(event).key for event in events}) == len(events)
    assert of(anomaly(1)).key == of(anomaly(2, channel="rpm")).key
    assert of(drift(1)).key == of(drift(2, channel="rpm", kind="spread")).key


def test_a_new_asset_does_not_hide_its_drift() -> None:
    scene = Scene()
    found = of(drift(1, kind="new asset")), of(drift(2))
    assert scene.feed(tick(0), Signalled.of(cause="c", time=T0, asset="x", origin="x", signals=found)) == ["opened"] * 2


def test_texts_are_bounded_and_the_largest_contributions_kept() -> None:
    shares = {f"channel {number}": number / 100 for number in range(50)}
    signal = of(anomaly(1, channel="", reason="x" * 9_999, contributions=shares))
    assert (len(signal.detail), len(signal.labels["what"]) <= 64) == (1_000, True)
    assert list(signal.contributions) == [f"channel {number}" for number in range(49, 41, -1)]


def test_a_summary_is_one_line_whatever_somebody_wrote() -> None:
    event = health("failed").model_copy(update={"found": "one\r\nBcc: all\x0b is old"})
    assert of(event).summary == "served-models: one Bcc: all is old"


def test_findings_of_a_batch_come_together_each_once_and_fit_into_the_log() -> None:
    batch = [anomaly(number, asset=f"m{number}", reason="ü" * 5_000) for number in range(2_000)]
    events = Gather().forward(batch, "anomalies", T0)
    assert [s.finding for event in events for s in event.signals] == [event.id for event in batch]  # type: ignore[union-attr] # no other came in
    assert len({event.id for event in events}) == len(events) > 1
    for event in events:
        assert len(next(iter(encode([event], "gather"))).body) < 1 << 20


def test_what_is_said_of_subscribers_is_noted_among_the_signals() -> None:
    given = SubscriberSet.of(**ABOUT, name="hook", spec={"kind": "console"}, by="ann")
    events = Gather().forward([given, subscriber("paused")], "subscribers", T0 + 5)
    noted = [event for event in events if isinstance(event, SubscriberNoted)]
    assert [(n.name, n.spec, n.state, n.removed, n.time) for n in noted] == [
        ("hook", {"kind": "console"}, None, False, T0 + 5),
        ("hook", None, "paused", False, T0 + 5),
    ]


def test_a_batch_of_other_events_is_nothing() -> None:
    assert Gather().forward([], "anomalies", T0) == []
