"""What both detectors reach on recorded data; the floors stand below what was measured, so that noise passes."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bench.nab import folder, scorer, scores_of
from models.detectors import DETECTORS
from models.multivariate import Levels

DATA = folder("TOCSIN_DATA", "data")
LABELS = ("anomaly", "changepoint", "datetime")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded data at {DATA}: set TOCSIN_DATA")


def judged(skab: ModuleType, path: Path, crop: int) -> tuple[Any, Any, Any]:
    """Times, alarms and changes of a file without its first rows."""
    table = skab.read_table(path)
    values = np.array([np.array(texts, float) for name, texts in table.items() if name not in LABELS]).T[crop:]
    detector = Levels()
    state = detector.start()
    detector.grow(state, values.shape[1])
    members = np.arange(values.shape[1])
    said = [detector.judge(state, 0, members, members, row) for row in values]
    changes = np.array([each.change >= detector.threshold for each in said])
    return skab.seconds(table["datetime"])[crop:], np.array([each.alarm for each in said]), changes


def scored(skab: ModuleType, crop: int) -> Any:
    truth = {name: skab.load_truth(DATA / "skab", name) for name in skab.list_files(DATA / "skab")}

    def test_rows() -> Iterator[tuple[str, Any]]:
        for name, (times, _, _) in truth.items():
            found = judged(skab, DATA / "skab" / name, crop)
            yield name, tuple(column[found[0] >= times[0]] for column in found)

    return skab.score(truth, dict(test_rows()))


@needs_data
@pytest.mark.parametrize(("crop", "f1"), [(0, 0.87), (75, 0.87), (150, 0.85)])
def test_pump_data(crop: int, f1: float) -> None:
    found = scored(scorer("skab_score"), crop)
    assert found["outlier"]["f1"] >= f1
    assert found["outlier"]["far_percent"] <= 15
    assert all(a >= b for a, b in zip(found["changepoint"]["nab"].values(), (36, 34, 40), strict=True))


@needs_data
def test_a_healthy_machine_that_warms_up() -> None:
    """An hour and a half of the same pump without a fault, trained on its first minutes: mostly quiet."""
    skab = scorer("skab_score")
    flags = judged(skab, DATA / "skab" / "anomaly-free" / "anomaly-free.csv", 0)[1]
    assert flags.sum() <= 1_300
    assert (np.diff(flags.astype(int)) == 1).sum() <= 15


@needs_data
def test_numenta_data() -> None:
    nab, data = scorer(), DATA / "nab"
    corpus = nab.Corpus(data / "data", data / "labels" / "combined_windows.json")
    detector = DETECTORS["records"]()
    scores = {name: scores_of(detector, data / "data" / name) for name in corpus.names}
    found = corpus.score(scores, thresholds=dict.fromkeys(nab.PROFILES, detector.threshold))["scores"]
    assert found["standard"] >= 78
    assert found["reward_low_FP_rate"] >= 70
    assert found["reward_low_FN_rate"] >= 82
