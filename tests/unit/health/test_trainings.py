"""Whether trainings come, take as long as they do, and give models as good as before."""

from typing import Any

from agents.health import trainings
from agents.health.runs import Run
from contracts.health import HealthSettings
from contracts.training import TrainingPlan

HOUR = 3_600_000
NOW = 2_000_000 * HOUR
PLANS = {"pumps": TrainingPlan(every_h=24), "by hand": TrainingPlan()}
LIMITS = HealthSettings(floors={"r2": 0.8})


def runs(*ages_h: float, plan: str = "pumps", seconds: float = 60, **more: Any) -> list[Run]:
    """Finished trainings that began so long ago."""
    began = [NOW - int(age * HOUR) for age in ages_h]
    metrics = {"seconds": seconds, **more.get("metrics", {})}
    return [Run(plan, "FINISHED", at, at + 900, metrics) for at in began]


def with_metric(*values: float) -> list[Run]:
    """Trainings a day apart with these values, the last one newest."""
    ages = range(24 * len(values), 0, -24)
    return [run for age, value in zip(ages, values, strict=True) for run in runs(age, metrics={"r2": value})]


def test_a_plan_that_trains_by_itself_has_a_run_in_48_hours() -> None:
    """One that trains when asked need not."""
    assert trainings.recent(runs(30), PLANS, LIMITS, NOW).state == "ok"
    late = trainings.recent(runs(50), PLANS, LIMITS, NOW)
    assert late.state == "warning"
    assert late.found.endswith("of: pumps")
    assert trainings.recent([], {"by hand": TrainingPlan()}, LIMITS, NOW).state == "skipped"


def test_a_plan_for_every_week_is_not_late_after_48_hours() -> None:
    """Its own interval counts where that is longer."""
    assert trainings.recent(runs(100), {"pumps": TrainingPlan(every_h=168)}, LIMITS, NOW).state == "ok"


def test_trainings_further_apart_than_planned_are_a_finding() -> None:
    """Every 60 hours instead of 24."""
    assert trainings.punctual(runs(0, 24, 48, 72), PLANS, LIMITS).state == "ok"
    assert trainings.punctual(runs(0, 60, 120), PLANS, LIMITS).state == "warning"
    assert trainings.punctual(runs(0, 60), PLANS, LIMITS).state == "skipped"


def test_a_training_that_takes_far_longer_is_a_finding() -> None:
    """Four minutes instead of one; one that still runs says nothing."""
    usual = runs(24, 48, 72)
    assert trainings.brisk([*runs(1, seconds=100), *usual], LIMITS).state == "ok"
    slow = trainings.brisk([*runs(1, seconds=240), *usual], LIMITS)
    assert slow.state == "warning"
    assert "240 s instead of about 60 s" in slow.found
    assert trainings.brisk([Run("pumps", "RUNNING", NOW, None), *usual], LIMITS).state == "ok"


def test_the_last_training_keeps_the_floors() -> None:
    """Earlier ones do not count, and neither do metrics that nobody gave a floor."""
    assert trainings.above_floors(with_metric(0.5, 0.9), LIMITS).state == "ok"
    below = trainings.above_floors(with_metric(0.9, 0.5), LIMITS)
    assert below.state == "warning"
    assert "pumps: r2 is 0.5, the floor is 0.8" in below.found
    assert trainings.above_floors(with_metric(0.5), HealthSettings()).state == "skipped"


def test_a_metric_that_falls_again_and_again_is_a_finding() -> None:
    """Four in a row and by more than two per cent; up and down is none."""
    assert trainings.steady(with_metric(0.95, 0.93, 0.91, 0.9), LIMITS).state == "warning"
    assert trainings.steady(with_metric(0.95, 0.93, 0.94, 0.9), LIMITS).state == "ok"
    assert trainings.steady(with_metric(0.95, 0.9499, 0.9498, 0.9497), LIMITS).state == "ok"
    assert trainings.steady(with_metric(0.95, 0.9), LIMITS).state == "skipped"
