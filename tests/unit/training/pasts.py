"""Made-up pasts of a few machines, and a training over them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from contracts.instants import SECOND
from contracts.readings import Readings, Series
from contracts.training import Family, TrainingPlan
from models.training import Labels, Training

FOREVER = 2**62
MACHINES = 3
WINDOWS = {
    "kind": "windows",
    "windows": {"minute": {"length_s": 60}},
    "features": [{"kind": "value"}, {"kind": "mean", "window": "minute"}, {"kind": "std", "window": "minute"}],
    "lateness_s": 5,
}


def plan_of(*kinds: str, **more: Any) -> TrainingPlan:
    return TrainingPlan(detectors=tuple(Family(kind=kind) for kind in kinds), **more)


def past(steps: int = 1500, machines: int = MACHINES, seed: int = 3) -> Readings:
    """A reading a second of each machine: a wave with noise; ordinals from 1."""
    rng = np.random.default_rng(seed)
    n = steps * machines
    step = np.repeat(np.arange(steps), machines)
    made = Readings.of(
        tuple(Series("test", f"pump-{number}", "flow") for number in range(machines)),
        code=np.tile(np.arange(machines), steps),
        time=step * SECOND,
        value=np.sin(step / 40) + rng.normal(0, 0.2, n),
        position=np.arange(n),
    )
    return replace(made, first=1)


def cut(readings: Readings, size: int) -> Iterator[Readings]:
    yield from readings.cut(size)


def trained(
    plan: TrainingPlan, *parts: Readings, size: int = 400, labels: Labels | None = None, until: int = FOREVER
) -> Training:
    """A training that took all looks; each of ``parts`` is a partition."""
    training = Training("pumps", plan, 0, until, labels or Labels())
    for _, view in training.looks():
        for number, part in enumerate(parts):
            for batch in cut(part, size):
                view.take(number, batch)
            view.end(number)
    return training


def changed(readings: Readings, row: int, value: float) -> Readings:
    values = readings.value.copy()
    values[row] = value
    return replace(readings, value=values)
