"""What the multivariate detector reaches on a group of files whose labels did not choose its settings.

    python -m bench.skab_left_out [--crop 0 75] [--json]

For each of valve1, valve2 and other: of a grid of settings, those with the best F1 on the two other groups (mean over
the croppings) are scored on it; the confusion of the three is added up. Beside it the median of the grid, which is what
settings give that nobody chose. The shape of the detector was found with all files in sight: this says how far its
numbers carry over, not how far its ideas do.

Data and scorer as in bench.skab. Takes about five minutes on one core.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .nab import folder, scorer

GRID: dict[str, tuple[Any, ...]] = {
    "threshold": (0.46, 0.5, 0.54),
    "memories": ((1000.0, 25.0), (1000.0, 30.0), (1000.0, 35.0), (1000.0, 40.0)),
    "longest": (500, 1000),
}
LABELS = ("anomaly", "changepoint", "datetime")


def judged(settings: dict[str, Any], values: Any) -> Any:
    """Whether an alarm is on, for each row."""
    from models.multivariate import Levels

    detector, members = Levels.model_validate(settings), np.arange(values.shape[1])
    state = detector.start()
    detector.grow(state, len(members))
    return np.array([detector.judge(state, 0, members, members, row).alarm for row in values])


def read(skab: ModuleType, path: Path) -> Any:
    """The channels of a file, float64[rows, channels]."""
    table = skab.read_table(path)
    return np.array([np.array(texts, float) for name, texts in table.items() if name not in LABELS]).T


def confusions(skab: ModuleType, data: Path, settings: dict[str, Any], crops: list[int]) -> Any:
    """int64[crops, files, 4]: true and false alarms, misses and quiet rows behind the training."""
    out = []
    for name in skab.list_files(data):
        values, (_, fault, _) = read(skab, data / name), skab.load_truth(data, name)
        for crop in crops:
            alarm = np.concatenate((np.zeros(crop, bool), judged(settings, values[crop:])))[-len(fault) :]
            cells = [alarm & fault, alarm & ~fault, ~alarm & fault, ~alarm & ~fault]
            out.append([int(each.sum()) for each in cells])
    return np.array(out).reshape(-1, len(crops), 4).swapaxes(0, 1)


def f1(cells: Any) -> Any:
    """F1 of confusions [..., 4]."""
    return 2 * cells[..., 0] / np.maximum(2 * cells[..., 0] + cells[..., 1] + cells[..., 2], 1)


def figures(cells: Any) -> dict[str, float]:
    """F1, and the rates of false alarms and of misses in percent."""
    true, false, missed, quiet = cells.tolist()
    return {
        "f1": round(float(f1(cells)), 4),
        "far_percent": round(100 * false / (false + quiet), 2),
        "mar_percent": round(100 * missed / (missed + true), 2),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--crop", type=int, nargs="+", default=[0, 75])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    skab, data = scorer("skab_score"), folder("TOCSIN_DATA", "data") / "skab"
    names = skab.list_files(data)
    settings = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    found = []
    for number, each in enumerate(settings, 1):
        found.append(confusions(skab, data, each, given.crop))
        sys.stderr.write(f"\r{number} of {len(settings)} settings")
    sys.stderr.write("\n")
    cells = np.array(found)
    groups = np.array([name.split("/")[0] for name in names])
    out: dict[str, Any] = {"left_out": {}}
    pooled = np.zeros(4, np.int64)
    for group in np.unique(groups).tolist():
        others = f1(cells[:, :, groups != group].sum(axis=2)).mean(axis=1)
        best = int(np.argmax(others))
        mine = cells[best, 0, groups == group].sum(axis=0)
        pooled += mine
        out["left_out"][group] = {"settings": settings[best], **figures(mine)}
    every = f1(cells[:, 0].sum(axis=1))
    out |= {"pooled": figures(pooled), "median_f1": round(float(np.median(every)), 4)}
    out["worst_and_best_f1"] = [round(float(every.min()), 4), round(float(every.max()), 4)]
    sys.stdout.write((json.dumps(out) if given.json else "\n".join(f"{k}: {v}" for k, v in out.items())) + "\n")


if __name__ == "__main__":
    main()
