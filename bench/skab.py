"""Score `tocsin backtest` on the Skoltech Anomaly Benchmark: eight channels of a water pump.

    python -m bench.skab [--predictions FOLDER] [--crop 75 ...] [--detector levels] [--per-file] [--json]

Without predictions they are made here, by the shipped configuration through the whole pipeline. Beside all files:

- `by_group`: valve1, valve2 and other, each for itself;
- `cropped`: the same files without their first rows, scored on the same rows. What of them falls into the
  detector's training then counts as normal;
- `metronome`: what change points would score that are told every 45 s whatever happens: the measure of change points
  costs so little for a false one that it rewards this;
- `shifted`: the same change points as many seconds late, as what chance would give.

Data: $TOCSIN_DATA or ../shared/data; scorer: $TOCSIN_BENCH or ../shared/bench (loaded, never copied).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .nab import ROOT, folder, scorer

SHIFTS = (90, 150, 210, 270)


def backtest(data: Path, out: Path, detector: str) -> None:
    """Predictions for all files of a folder."""
    command = [sys.executable, "-m", "console.cli", "backtest", str(data), "--out", str(out), "--detector", detector]
    subprocess.run([*command, "--json"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def cropped(data: Path, names: list[str], rows: int, into: Path) -> Path:
    """The files without their first rows."""
    for name in names:
        header, *lines = (data / name).read_text().splitlines(keepends=True)
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).write_text("".join([header, *lines[rows:]]))
    return into


def load(skab: ModuleType, truth: Any, predictions: Path) -> dict[str, Any]:
    """The predictions of every file."""
    return {name: skab.load_prediction(predictions / name, times[0]) for name, (times, _, _) in truth.items()}


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """The figures of a result."""
    outlier, change = result["outlier"], result["changepoint"]
    return {
        "f1": round(outlier["f1"], 4),
        "far_percent": round(outlier["far_percent"], 2),
        "mar_percent": round(outlier["mar_percent"], 2),
        "changepoints": [round(value, 2) for value in change["nab"].values()],
        "changepoints_missed": change["missed"],
        "changepoints_false": change["false_alarms"],
    }


def by_chance(skab: ModuleType, truth: Any, said: dict[str, Any]) -> dict[str, Any]:
    """What change points score that have nothing to do with the data, or come too late."""
    none = {name: (times, np.zeros(len(times), bool)) for name, (times, _, _) in truth.items()}
    ticking = {name: (*pair, np.arange(len(pair[0])) % 45 == 0) for name, pair in none.items()}
    late = [{n: (*none[n], np.roll(np.isin(none[n][0], t[c]), by)) for n, (t, _, c) in said.items()} for by in SHIFTS]
    rolled = [skab.score(truth, each)["changepoint"]["nab"]["standard"] for each in late]
    return {
        "metronome": summary(skab.score(truth, ticking))["changepoints"],
        "shifted": round(float(np.mean(rolled)), 2),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--predictions", type=Path)
    parser.add_argument("--detector", default="levels")
    parser.add_argument("--crop", type=int, nargs="*", default=[])
    parser.add_argument("--per-file", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    skab, data = scorer("skab_score"), folder("TOCSIN_DATA", "data") / "skab"
    names = skab.list_files(data)
    truth = {name: skab.load_truth(data, name) for name in names}
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        if given.predictions is None:
            backtest(data, place / "out", given.detector)
        said = load(skab, truth, given.predictions or place / "out")
        result = skab.score(truth, said)
        groups = sorted({name.split("/")[0] for name in names})
        out: dict[str, Any] = {"files": len(names), **summary(result), **by_chance(skab, truth, said)}
        out["by_group"] = {
            group: summary(skab.score({n: truth[n] for n in names if n.startswith(group)}, said)) for group in groups
        }
        for rows in given.crop:
            backtest(cropped(data, names, rows, place / f"data-{rows}"), place / f"out-{rows}", given.detector)
            found = skab.score(truth, load(skab, truth, place / f"out-{rows}"))
            out.setdefault("cropped", {})[rows] = summary(found)
    if given.per_file:
        out["per_file"] = result["files"]
    sys.stdout.write((json.dumps(out) if given.json else "\n".join(f"{k}: {v}" for k, v in out.items())) + "\n")


if __name__ == "__main__":
    main()
