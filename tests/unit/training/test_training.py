"""A training is a function of the plan and the range, and of nothing else; and nothing in it looks ahead."""

from dataclasses import replace

import numpy as np
import pytest

from contracts.errors import ConfigError, NotFound, Unavailable
from contracts.readings import Readings
from contracts.training import TrainingPlan
from models.training import Known, Labels, Training
from models.training.split import CALIBRATE, FIT

from .pasts import FOREVER, MACHINES, WINDOWS, changed, past, plan_of, trained

STREAMING = plan_of("ewma", "mad")
FITTED = plan_of("mahalanobis", "isolation_forest", features=WINDOWS, alarms=50, sample=500)


def arrays(training: Training) -> list[bytes]:
    """Everything that was learned."""
    return [array.tobytes() for each in training.contenders for _, array in sorted(each.arrays.items())]


def digests(training: Training) -> list[str]:
    return [each.bundle.digest for each in training.outcomes()]


@pytest.mark.parametrize("plan", [STREAMING, FITTED], ids=["streaming", "fitted"])
def test_the_same_range_gives_the_same_bundles_however_it_is_cut(plan: TrainingPlan) -> None:
    first, second = trained(plan, past(), size=400), trained(plan, past(), size=67)
    assert digests(first) == digests(second)
    assert [each.measures for each in first.outcomes()] == [each.measures for each in second.outcomes()]


def test_every_reading_is_in_the_digest_of_the_range() -> None:
    told = {trained(STREAMING, part).facts()["range_digest"] for part in (past(), changed(past(), 7, 0.123456))}
    assert len(told) == 2


@pytest.mark.parametrize("which", ["time", "value", "first", "series"])
def test_every_column_is_in_the_digest_of_the_range(which: str) -> None:
    readings = past(300)
    other = {
        "time": lambda: replace(readings, time=readings.time + (np.arange(len(readings)) == 5)),
        "value": lambda: changed(readings, 5, float(np.nextafter(readings.value[5], 9))),
        "first": lambda: replace(readings, first=2),
        "series": lambda: replace(readings, series=(readings.series[1], readings.series[0], readings.series[2])),
    }[which]()
    assert trained(STREAMING, readings).facts()["range_digest"] != trained(STREAMING, other).facts()["range_digest"]


def test_a_bundle_names_the_range_that_it_was_made_from() -> None:
    training = trained(STREAMING, past(100), past(200, seed=4))
    told = training.outcomes()[0].bundle.manifest.training
    assert told == training.trained_on
    assert told.kind == "range"
    assert told.partitions == {"0": (1, 100 * MACHINES), "1": (1, 200 * MACHINES)}
    assert told.readings == 300 * MACHINES


def test_what_is_fitted_does_not_know_what_is_calibrated_and_compared_on() -> None:
    """The mean of the fitted part must not move with later readings, the calibration not with those after it."""
    readings = past()
    plain, later = trained(FITTED, readings), trained(FITTED, _shifted(readings, 0.8))
    assert plain.split == later.split
    assert arrays(plain) == arrays(later)
    earlier = trained(FITTED, _shifted(readings, 0.6))
    for one, other in zip(plain.contenders, earlier.contenders, strict=True):
        differ = {name for name in one.arrays if not np.array_equal(one.arrays[name], other.arrays[name])}
        assert differ in ({"state/knots", "state/rates"}, {"state/knots"})


def _shifted(readings: Readings, share: float) -> Readings:
    """The same readings up to a share of the time, and others after it."""
    late = readings.time >= int(readings.time[-1] * share) + 10**9
    return replace(readings, value=np.where(late, readings.value * 3 + 1, readings.value))


def test_readings_that_come_too_late_change_no_feature_that_was_given_before() -> None:
    """A late reading of the distant past, far from all others, must leave no trace in what is fitted."""
    readings = past()
    at = np.insert(np.arange(len(readings)), 2400, 5)
    late = replace(readings.take(at), first=1)
    late.value[2400], late.time[2400] = 1e6, readings.time[5] + 1
    plain, other = trained(replace_sample(FITTED), readings), trained(replace_sample(FITTED), late)
    assert other.facts()["readings"] == str(len(readings) + 1)
    assert plain.facts()["vectors_to_fit"] == other.facts()["vectors_to_fit"]
    assert arrays(plain) == arrays(other)


def replace_sample(plan: TrainingPlan) -> TrainingPlan:
    # All vectors: which are drawn depends on ordinals, and those move.
    return plan.model_copy(update={"sample": 100_000})


def test_a_late_reading_within_the_lateness_counts_as_if_it_had_come_in_time() -> None:
    readings = past(machines=1)
    order = np.arange(len(readings))
    order[1000:1004] = [1003, 1000, 1001, 1002]
    moved = replace(readings.take(order), first=1)
    plan = replace_sample(FITTED)
    assert arrays(trained(plan, readings)) == arrays(trained(plan, moved))


def test_readings_outside_of_the_range_and_of_the_series_do_not_count() -> None:
    plan = STREAMING.model_copy(update={"series": "pump-1/*"})
    facts = trained(plan, past(), until=999 * 10**9).facts()
    assert (facts["readings"], facts["series_read"]) == ("1000", "1")


def test_the_parts_follow_each_other() -> None:
    split = trained(STREAMING, past(1001)).split
    assert split is not None
    seconds = [time // 10**9 for time in (split.since, split.calibrate_from, split.compare_from, split.until)]
    assert seconds == [0, 600, 800, 1000]
    assert split.parts(np.array([599, 600, 800]) * 10**9).tolist() == [FIT, CALIBRATE, CALIBRATE + 1]


def test_known_faults_are_not_learned_from() -> None:
    readings = changed(past(), 3 * 300 + 1, 1e3)
    labels = Labels({"pump-1/flow": Known([(290 * 10**9, 400 * 10**9)], whole=True)})
    assert trained(FITTED, readings, labels=labels).facts()["vectors_to_fit"] == str(900 * MACHINES - 111)


def test_a_range_without_readings_is_said() -> None:
    with pytest.raises(NotFound, match="no reading in this range"):
        trained(STREAMING.model_copy(update={"series": "fan-*/*"}), past(50))


def test_too_few_vectors_are_said() -> None:
    with pytest.raises(NotFound, match="at least 100"):
        trained(FITTED, past(50))


def test_a_log_that_changes_between_two_looks_is_noticed() -> None:
    looks = Training("pumps", STREAMING, 0, FOREVER).looks()
    for part in (past(100), changed(past(100), 3, 9.0)):
        _, view = next(looks)
        view.take(0, part)
        view.end(0)
    with pytest.raises(Unavailable, match="not what it was"):
        next(looks)


@pytest.mark.parametrize(
    ("detectors", "why"),
    [(("nonesuch",), "not known"), (("levels",), "judges assets"), (("mahalanobis",), "need features")],
)
def test_plans_that_cannot_work_are_refused_at_once(detectors: tuple[str, ...], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Training("pumps", plan_of(*detectors), 0, FOREVER)
