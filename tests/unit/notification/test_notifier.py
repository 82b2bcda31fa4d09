"""One notification per trouble, in words that say what to do."""

from collections.abc import Sequence

import pytest

from agents import state as saved
from agents.notification import Notifier
from agents.notification.notifier import NotifierState
from contracts.events import AnomalyCleared, AnomalyDetected, DataQualityIncident, DriftDetected, NotificationDue
from tests.unit.notification.made import anomaly, cleared, drift, incident

Finding = AnomalyDetected | AnomalyCleared | DriftDetected | DataQualityIncident


def told(
    findings: Sequence[Finding], notifier: Notifier | None = None, state: NotifierState | None = None
) -> list[NotificationDue]:
    notifier = notifier or Notifier()
    state = notifier.start() if state is None else state
    return [due for finding in findings for due in notifier.handle(finding, state)]


@pytest.mark.parametrize("finding", [anomaly(0), drift(0), incident(0)])
def test_every_kind_of_finding_is_told_with_all_that_matters(finding: Finding) -> None:
    """What, where, when, how strong, why, and what to run next."""
    (due,) = told([finding])
    assert due.cause == due.finding == finding.id
    assert due.severity == "warning"
    assert due.subject.startswith("[warning] pump/temperature: ")
    lines = dict(line.split(": ", 1) for line in due.body.splitlines())
    assert lines["Where"] == "pump/temperature"
    assert lines["When"] == "2023-11-14T22:13:20Z"
    assert lines["Next"] == f"tocsin lineage {finding.id}"
    assert lines["Why"]


def test_the_strength_of_an_anomaly_and_of_a_drift_is_said() -> None:
    first, second = told([anomaly(0), drift(0)])
    assert "How strong: score 0.930, threshold 0.8" in first.body
    assert "far above its recent past" in first.body
    assert "How strong: 1.5 sd (between 1.1 and 1.9)" in second.body


def test_key_is_the_same_for_the_same_finding_and_differs_otherwise() -> None:
    """A sink that sees a key twice knows that it is one notification."""
    keys = [told([finding])[0].key for finding in (anomaly(0), anomaly(0), anomaly(1))]
    assert keys[0] == keys[1] != keys[2]


def test_while_an_anomaly_is_open_further_ones_are_kept_back() -> None:
    """Open beyond the repeat interval; another asset and another detector are another trouble."""
    findings = [anomaly(0), anomaly(5000, channel="flow"), anomaly(5000, asset="fan"), anomaly(5000, detector="level")]
    assert [(due.asset, due.channel) for due in told(findings)] == [
        ("pump", "temperature"),
        ("fan", "temperature"),
        ("pump", "temperature"),
    ]


def test_after_clearance_the_next_is_told_and_says_how_many_were_kept_back() -> None:
    first, second = anomaly(0), anomaly(10)
    findings: list[Finding] = [first, second, cleared(first, 20), cleared(second, 20), anomaly(100), anomaly(1000)]
    dues = told(findings)
    assert [due.time for due in dues] == [first.time, anomaly(1000).time]
    assert "Further" not in dues[0].body
    assert "Further: 2 more like this" in dues[1].body


def test_what_was_kept_back_does_not_keep_others_back() -> None:
    """Only an anomaly that somebody was told of may stand for further ones."""
    first, second = anomaly(0), anomaly(10)
    assert len(told([first, second, cleared(second, 5), anomaly(1000)])) == 1
    assert len(told([first, second, cleared(first, 20), anomaly(1000)])) == 2


def test_an_anomaly_that_nobody_closes_is_told_again_after_a_day() -> None:
    assert len(told([anomaly(0), anomaly(86_000), anomaly(86_401)])) == 2


def test_a_finding_from_the_far_past_is_not_taken_for_a_repetition() -> None:
    """After one machine's clock ran ahead its later findings must still be told."""
    assert len(told([drift(10**8), drift(0), drift(1)])) == 2


def test_repeated_drift_and_incidents_wait_for_the_interval() -> None:
    assert len(told([drift(0), drift(899), drift(900)])) == 2
    assert len(told([drift(0), drift(1, kind="spread"), drift(2, channel="flow")])) == 3
    assert len(told([incident(0), incident(1, "closed"), incident(899), incident(901)])) == 2


def test_what_closed_is_not_told() -> None:
    assert told([incident(0, "closed")]) == []
    assert told([cleared(anomaly(0), 5)]) == []


def test_a_finding_that_comes_twice_is_neither_told_nor_counted_twice() -> None:
    again = [anomaly(0), anomaly(0), anomaly(0)]
    assert "Further" not in told([*again, cleared(again[0], 1), anomaly(1000)])[-1].body


def test_minimum_severity() -> None:
    """What is below is not told, and does not keep back what is above."""
    findings = [anomaly(0, severity="info"), anomaly(1), anomaly(2, asset="fan", severity="critical")]
    assert [due.severity for due in told(findings)] == ["info", "critical"]
    assert [due.severity for due in told(findings, Notifier(minimum_severity="warning"))] == ["warning", "critical"]
    assert [due.severity for due in told(findings, Notifier(minimum_severity="critical"))] == ["critical"]


def test_memory_is_bounded() -> None:
    """Of ten thousand and one troubles the oldest is forgotten, and would be told again."""
    notifier, state = Notifier(), NotifierState()
    findings = [incident(index / 1000, channel=f"c{index}") for index in range(10_001)]
    assert len(told(findings, notifier, state)) == 10_001
    assert len(state.told) == 10_000
    assert len(told([incident(20, channel="c0"), incident(20, channel="c5000")], notifier, state)) == 1


def test_many_open_anomalies_of_one_trouble_are_bounded() -> None:
    notifier, state = Notifier(), NotifierState()
    assert len(told([anomaly(index * 90_000) for index in range(50)], notifier, state)) == 50
    ((_, _, still_open),) = state.told.values()
    assert len(still_open) == 10


def test_a_saved_state_goes_on_as_if_nothing_had_happened() -> None:
    first = anomaly(0)
    before: list[Finding] = [first, anomaly(10), drift(20)]
    after: list[Finding] = [anomaly(30), cleared(first, 40), drift(50), anomaly(2000)]
    notifier, state = Notifier(), NotifierState()
    dues = told(before, notifier, state)
    restored = saved.restore(notifier.start(), saved.dump(state))
    dues += told(after, notifier, restored)
    assert dues == told([*before, *after])
    assert len(dues) == 3


def test_subjects_are_short() -> None:
    (due,) = told([drift(0, kind="k" * 1000)])
    assert len(due.subject) == 200
