"""Whether trainings come when they should, take as long as they do, and give models as good as before."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median

from contracts.health import HealthSettings
from contracts.training import TrainingPlan

from .finding import Health, ill, skipped, well
from .runs import Run, by_plan

Plans = Mapping[str, TrainingPlan]
_HOUR_MS = 3_600_000
_FINISHED = "FINISHED"
_SEE = "See the trainer's events: tocsin tail --stream training --from-start --once"


def recent(runs: Sequence[Run], plans: Plans, limits: HealthSettings, now_ms: int) -> Health:
    """Whether every plan that trains by itself did so lately."""
    check = "training-runs"
    regular = {name: plan.every_h for name, plan in plans.items() if plan.every_h}
    if not regular:
        return skipped(check, "no plan trains by itself")
    since = {name: now_ms - max(limits.runs_within_h, hours) * _HOUR_MS for name, hours in regular.items()}
    missing = sorted(name for name in regular if not any(r.plan == name and r.began >= since[name] for r in runs))
    if missing:
        return ill(
            check,
            f"no training in the last {limits.runs_within_h:g} h of: {', '.join(missing)}",
            "The coordinator does not run, MLflow is down, or there are too few readings to train on",
            _SEE,
        )
    return well(check, f"every plan was trained in the last {limits.runs_within_h:g} h: {', '.join(sorted(regular))}")


def punctual(runs: Sequence[Run], plans: Plans, limits: HealthSettings) -> Health:
    """Whether the last trainings came as far apart as planned."""
    check = "training-frequency"
    found, late = [], []
    for name, own in by_plan(runs).items():
        hours = plans[name].every_h if name in plans else None
        if not hours or len(own) < 3:
            continue
        apart = median(later.began - earlier.began for later, earlier in pairwise(own[:6])) / _HOUR_MS
        found.append(f"{name}: every {apart:.1f} h")
        if apart > limits.late_factor * hours:
            late.append(f"{name}: every {apart:.1f} h instead of {hours:g}")
    if late:
        due_to = "Trainings fail or wait for one another, or event time runs more slowly than the clock"
        return ill(check, f"trained less often than planned: {'; '.join(late)}", due_to, _SEE)
    return well(check, "; ".join(found)) if found else skipped(check, "no plan has three trainings by itself yet")


def brisk(runs: Sequence[Run], limits: HealthSettings) -> Health:
    """Whether the last training took about as long as the ones before it."""
    check = "training-duration"
    found, slow = [], []
    for name, own in by_plan(runs).items():
        took = [run.seconds for run in own if run.seconds is not None and run.status == _FINISHED]
        if len(took) < 3:
            continue
        usual = median(took[1:])
        found.append(f"{name}: {took[0]:.0f} s")
        if took[0] > limits.slow_factor * usual and took[0] > 1:
            slow.append(f"{name}: {took[0]:.0f} s instead of about {usual:.0f} s")
    if slow:
        due_to = "There are many more readings or series than before, or the machine is overloaded"
        mend = "Give the plan a smaller range_days, or training.memory_mb and more of the machine"
        return ill(check, f"the last training took long: {'; '.join(slow)}", due_to, mend)
    return well(check, "; ".join(found)) if found else skipped(check, "no plan has three finished trainings yet")


def above_floors(runs: Sequence[Run], limits: HealthSettings) -> Health:
    """Whether the metrics of the last training of each plan keep their floors."""
    check = "metric-floor"
    if not limits.floors:
        return skipped(check, "health.floors names no metric")
    seen, below = 0, []
    for name, own in by_plan(runs).items():
        last = next((run for run in own if run.status == _FINISHED), None)
        for metric, floor in limits.floors.items():
            if last is None or metric not in last.metrics:
                continue
            seen += 1
            if last.metrics[metric] < floor:
                below.append(f"{name}: {metric} is {last.metrics[metric]:.4g}, the floor is {floor:.4g}")
    if below:
        due_to = "The machine or its sensors changed, or the range holds faults"
        mend = "Compare the runs in MLflow, then train on another range: tocsin train PLAN --from … --to …"
        return ill(check, "; ".join(below), due_to, mend)
    names = ", ".join(sorted(limits.floors))
    return well(check, f"all above their floors: {names}") if seen else skipped(check, f"no training has {names}")


def steady(runs: Sequence[Run], limits: HealthSettings) -> Health:
    """Whether a metric with a floor fell from training to training."""
    check, many = "metric-decline", limits.decline_runs
    falling, seen = [], 0
    for name, own in by_plan(runs).items():
        done = [run for run in own if run.status == _FINISHED][:many]
        for metric in limits.floors:
            values = [run.metrics[metric] for run in reversed(done) if metric in run.metrics]
            if len(values) < many:
                continue
            seen += 1
            lost = values[0] - values[-1]
            if all(b < a for a, b in pairwise(values)) and lost > limits.decline_share * abs(values[0]):
                falling.append(f"{name}: {metric} fell from {values[0]:.4g} to {values[-1]:.4g} in {many} trainings")
    if falling:
        due_to = "The machine drifts away from what the features describe"
        return ill(check, "; ".join(falling), due_to, "See what drifts: tocsin tail --stream drift --from-start --once")
    return well(check, "no metric falls") if seen else skipped(check, f"no metric has {many} trainings in a row")
