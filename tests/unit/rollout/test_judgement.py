"""Whether a guard is broken, from what the log says."""

from typing import Any

import pytest

from agents.rollout.judgement import broken, score_shift
from agents.rollout.record import Record, Tally
from contracts.events import AlertLabelled, Candidate, Guard, ModelLoaded, ModelMeasured, RolloutChanged

OLD, NEW = "a" * 64, "b" * 64


def begun(**guard: Any) -> RolloutChanged:
    candidate = Candidate(bundle=NEW, mode="shadow", rollout="r1")
    return RolloutChanged.of(
        cause="r1", time=1, asset="anomaly", agent="anomaly", state="running", candidate=candidate,
        guard=Guard(least_readings=100, least_labels=2, **guard), by="me",
    )  # fmt: skip


def measured(role: Any, readings: int, alerts: int, scores: tuple[int, ...] = ()) -> ModelMeasured:
    return ModelMeasured.of(
        cause="x", time=2, asset="anomaly", discriminator=f"{role}{readings}{alerts}", agent="anomaly",
        bundle=NEW if role == "candidate" else OLD, role=role, rollout="r1", since=1, readings=readings,
        alerts=alerts, scores=scores or (readings, 0),
    )  # fmt: skip


def labelled(alert: str, verdict: Any) -> AlertLabelled:
    return AlertLabelled.of(cause=alert, time=3, asset="p", alert=alert, bundle=NEW, verdict=verdict, by="me")


def loaded(bundle: str, golden_ms: float) -> ModelLoaded:
    return ModelLoaded.of(cause="x", time=1, asset="anomaly", bundle=bundle, agent="anomaly", golden_ms=golden_ms)


def judged(*events: Any) -> list[str]:
    record = Record()
    record.learn(events)
    return broken(record.rollouts["r1"], record)


@pytest.mark.parametrize(
    ("alerts", "readings", "told"),
    [(20, 1000, []), (21, 1000, ["alert ratio 2.1, at most 2"]), (21, 99, [])],
)
def test_more_alerts_than_the_champion_end_a_rollout(alerts: int, readings: int, told: list[str]) -> None:
    """At most twice as many per reading, once there are a hundred readings."""
    candidate = measured("candidate", readings, alerts if readings == 1000 else 90)
    assert judged(begun(alert_ratio=2), measured("champion", 1000, 10), candidate) == told


def test_the_first_alert_beside_a_silent_champion_is_no_reason() -> None:
    """A ratio to nothing says nothing; the third would be one."""
    assert judged(begun(alert_ratio=2), measured("champion", 1000, 0), measured("candidate", 1000, 2)) == []
    assert judged(begun(alert_ratio=2), measured("champion", 1000, 0), measured("candidate", 1000, 3))


def test_scores_that_moved_end_a_rollout() -> None:
    """Half of the readings went from the lower to the upper half of the scale."""
    champion, candidate = measured("champion", 1000, 0, (1000, 0)), measured("candidate", 1000, 0, (500, 500))
    assert judged(begun(score_shift=0.5), champion, candidate) == []
    assert judged(begun(score_shift=0.4), champion, candidate) == ["score shift 0.5, at most 0.4"]


def test_histograms_with_other_bins_are_not_compared() -> None:
    """They come from another version."""
    ours, theirs = Tally(), Tally()
    ours.add(measured("champion", 10, 0, (10, 0)))
    theirs.add(measured("candidate", 10, 0, (0, 0, 10)))
    assert score_shift(ours, theirs) == 0


def test_a_slow_candidate_ends_a_rollout() -> None:
    """By the golden vectors; the quickest load of each counts."""
    loads = (loaded(OLD, 9), loaded(OLD, 2), loaded(NEW, 5))
    assert judged(begun(latency_ratio=2), measured("champion", 1, 0), *loads) == ["latency ratio 2.5, at most 2"]
    assert judged(begun(latency_ratio=3), measured("champion", 1, 0), *loads) == []
    assert judged(begun(latency_ratio=2), measured("champion", 1, 0), loaded(NEW, 5)) == []


def test_labels_end_a_rollout_when_there_are_enough() -> None:
    """The last word on an alert counts."""
    bad = [labelled("1", "false alarm"), labelled("2", "false alarm")]
    assert judged(begun(precision=0.5), bad[0]) == []
    assert judged(begun(precision=0.5), *bad) == ["precision 0 of 2 labels, at least 0.5"]
    assert judged(begun(precision=0.5), *bad, labelled("1", "true alarm")) == []


def test_a_guard_that_is_not_stated_does_not_guard() -> None:
    """However bad it is."""
    events = [labelled("1", "false alarm"), labelled("2", "false alarm"), loaded(OLD, 1), loaded(NEW, 99)]
    assert judged(begun(), measured("champion", 1000, 0), measured("candidate", 1000, 1000, (0, 1)), *events) == []


def test_measures_may_come_before_their_rollout() -> None:
    """Partitions have no order between them."""
    events = (measured("champion", 1000, 10), measured("candidate", 1000, 21), begun(alert_ratio=2))
    assert judged(*events) == ["alert ratio 2.1, at most 2"]
