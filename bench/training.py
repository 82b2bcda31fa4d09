"""How fast a training reads, how much memory it takes, and whether detectors alarm as often as they say.

python -m bench.training [--machines 200] [--steps 5000]
"""

import json
import resource
import sys
import time
from dataclasses import replace

import click
import numpy as np

from contracts.instants import SECOND
from contracts.readings import Readings, Series
from contracts.training import Family, TrainingPlan
from models.training import Training

FEATURES = {
    "kind": "windows",
    "windows": {"short": {"length_s": 60}, "long": {"length_s": 300}},
    "features": [
        {"kind": "value"},
        {"kind": "mean", "window": "short"},
        {"kind": "std", "window": "short"},
        {"kind": "mean", "window": "long"},
        {"kind": "std", "window": "long"},
    ],
    "lateness_s": 5,
}
KINDS = {"streaming": ("records", "ewma"), "fitted": ("mahalanobis", "isolation_forest")}


def past(machines: int, steps: int) -> list[Readings]:
    n, step = machines * steps, np.repeat(np.arange(steps), machines)
    made = Readings.of(
        tuple(Series("bench", f"pump-{number}", "flow") for number in range(machines)),
        code=np.tile(np.arange(machines), steps),
        time=step * SECOND,
        value=np.sin(step / 50) + np.random.default_rng(1).normal(0, 0.2, n),
        position=np.arange(n),
    )
    return list(replace(made, first=1).cut(5000))


@click.command()
@click.option("--machines", default=200)
@click.option("--steps", default=5000)
def main(machines: int, steps: int) -> None:
    batches = past(machines, steps)
    out: dict[str, object] = {"readings": machines * steps}
    for name, kinds in KINDS.items():
        plan = TrainingPlan(features=FEATURES, detectors=tuple(Family(kind=kind) for kind in kinds))
        training, rates = Training("bench", plan, 0, 2**62), {}
        for look, view in training.looks():
            begun = time.perf_counter()
            for batch in batches:
                view.take(0, batch)
            view.end(0)
            rates[f"{look}_readings_per_s"] = round(machines * steps / (time.perf_counter() - begun))
        out[name] = rates | {each.label: each.measures for each in training.outcomes()}
    out["most_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    json.dump(out, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
