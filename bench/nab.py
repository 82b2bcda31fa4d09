"""Score a detector on the Numenta Anomaly Benchmark, threshold transfer included.

    python -m bench.nab [--kind records | --scores FOLDER] [--threshold 0.49] [--per-file] [--json]

--scores: what `tocsin backtest` wrote there, instead of scores that are computed here.

Three ways to choose the threshold, each for the three profiles of the benchmark:

- `optimised`: the best one for all files, per profile, as the benchmark's tables have it;
- `leave_one_family_out`: for each family (realTweets, ...) the best one for all the others, points
  pooled over families: what a threshold is worth on streams it was not chosen on;
- `shipped`: the detector's own default, the same for all profiles.

Data: $TOCSIN_DATA or ../shared/data; scorer: $TOCSIN_BENCH or ../shared/bench (loaded, never copied).
"""

import argparse
import csv
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from models.detectors import DETECTORS, Detector, score_batch  # noqa: E402  # after the path is set

Columns = dict[str, np.ndarray[Any, np.dtype[np.float64]]]


def folder(variable: str, name: str) -> Path:
    """A folder of shared material, by environment or beside the project."""
    return Path(os.environ.get(variable, ROOT.parent / "shared" / name))


def scorer(name: str = "nab_score") -> ModuleType:
    """A benchmark's scoring, from its own file."""
    path = folder("TOCSIN_BENCH", "bench") / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.exists():
        raise SystemExit(f"no scorer at {path}: set TOCSIN_BENCH to the folder that holds it")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scores_of(detector: Detector[Any], path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Scores of one file's readings, in order."""
    with path.open(newline="") as handle:
        lines = list(csv.DictReader(handle))
    values = np.array([float(line["value"]) for line in lines])
    times = np.array([line["timestamp"] for line in lines], "datetime64[ns]").astype(np.int64)
    state = detector.start()
    detector.grow(state, 1)
    return score_batch(detector, state, np.zeros(len(values), np.int64), times, values).score


def leave_one_family_out(nab: ModuleType, corpus: Any, scores: Columns) -> dict[str, float]:
    """Pooled score per profile when each family's threshold comes from the other families."""
    families = sorted({name.split("/")[0] for name in scores})
    gained, windows = dict.fromkeys(nab.PROFILES, 0.0), 0
    for family in families:
        inside = [name for name in scores if name.startswith(family + "/")]
        others = corpus.score(scores, [name for name in scores if name not in inside])
        chosen = {profile: entry["threshold"] for profile, entry in others["profiles"].items()}
        found = corpus.score(scores, inside, chosen)
        windows += found["n_windows"]
        for profile, (_, miss, _) in nab.PROFILES.items():
            gained[profile] += found["profiles"][profile]["raw"] + miss * found["n_windows"]
    return {
        profile: round(100 * gained[profile] / ((hit + miss) * windows), 2)
        for profile, (hit, miss, _) in nab.PROFILES.items()
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kind", choices=sorted(DETECTORS), default="records")
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--per-file", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    detector = DETECTORS[given.kind]()
    nab, data = scorer(), folder("TOCSIN_DATA", "data") / "nab"
    corpus = nab.Corpus(data / "data", data / "labels" / "combined_windows.json")
    begin = time.perf_counter()
    if given.scores is None:
        scores = {name: scores_of(detector, data / "data" / name) for name in corpus.names}
    else:
        scores = nab.read_scores(given.scores, corpus)
    threshold = detector.threshold if given.threshold is None else given.threshold
    fixed = corpus.score(scores, thresholds=dict.fromkeys(nab.PROFILES, threshold), per_file=given.per_file)
    best = corpus.score(scores)
    result = {
        "detector": given.kind if given.scores is None else str(given.scores),
        "files": len(scores),
        "windows": best["n_windows"],
        "readings": sum(map(len, scores.values())),
        "seconds": round(time.perf_counter() - begin, 2),
        "optimised": best["scores"],
        "optimised_thresholds": {p: round(e["threshold"], 4) for p, e in best["profiles"].items()},
        "leave_one_family_out": leave_one_family_out(nab, corpus, scores),
        "shipped_threshold": threshold,
        "shipped": fixed["scores"],
    }
    if given.per_file:
        result["per_file"] = fixed["profiles"]["standard"]["files"]
    text = json.dumps(result) if given.json else "\n".join(f"{k}: {v}" for k, v in result.items())
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
