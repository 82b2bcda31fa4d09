"""What follows from a drift: whom it is told to, what it is called, and whether it asks for a training."""

import pytest

from agents.coordinator.trainerrequests import Requests
from agents.notification import Notifier
from console.render import line
from contracts.training import TrainingPlan
from tests.unit.notification.made import drift

DAY = 86_400


@pytest.mark.parametrize(
    ("kind", "asks"),
    [("mean", True), ("season", True), ("new asset", True), ("correlation", True), ("stuck", False), ("skew", False)],
)
def test_only_what_can_be_learned_from_asks_for_a_training(kind: str, asks: bool) -> None:
    known, event = Requests({"pumps": TrainingPlan(on_drift="automatic", drift_wait_h=0)}), drift(0, kind=kind)
    known.take(event)
    due = list(known.due(event.time, 0))
    assert [each.finding for each in due] == ([event.id] if asks else [])


def test_one_finding_is_notified_once() -> None:
    notifier, first = Notifier(), drift(0)
    state = notifier.start()
    more = drift(7_200, channel="flow", part_of=first.id)
    told = [
        due.finding for event in (first, more, drift(7_200, channel="flow")) for due in notifier.handle(event, state)
    ]
    assert told == [first.id, drift(7_200, channel="flow").id]


def test_the_likely_cause_is_said() -> None:
    notifier = Notifier()
    (due,) = notifier.handle(
        drift(0, kind="skew", observed="mean", detail="made with bundle a, now b"), notifier.start()
    )
    assert due.subject.endswith("drift of skew (up)")
    assert "Likely because: made with bundle a, now b" in due.body
    body = {"kind": "new asset", "direction": "none", "unit": "", "detail": "never seen", "severity": "info"}
    (due,) = notifier.handle(drift(0, **body), notifier.start())
    assert due.subject == "[info] pump/temperature: new asset"
    assert "How strong" not in due.body


def test_a_line_says_what_it_is_part_of() -> None:
    row = drift(0, part_of="f" * 32).model_dump() | {
        "type": "DriftDetected",
        "time": "t",
        "since": "2026-03-02T00:00:00Z",
    }
    assert "mean up by 1.5 sd" in line(row)
    assert line(row).endswith("(part of ffffffffffff)")
    assert "new asset: never seen" in line(row | {"kind": "new asset", "detail": "never seen"})
