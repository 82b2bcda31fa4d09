"""Static limits: one anomaly for as long as a series is outside."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from agents.anomaly import Anomaly
from agents.parts import Context
from contracts.events import AnomalyCleared, AnomalyDetected
from contracts.instants import SECOND
from models.detectors import score_batch
from models.detectors.limits import Limits
from tests.unit.anomaly.made import readings, told


def scores(values: list[float], **settings: float) -> list[float]:
    detector, count = Limits.model_validate(settings), len(values)
    state = detector.start()
    detector.grow(state, 1)
    found = score_batch(detector, state, np.zeros(count, np.int64), np.arange(count), np.array(values))
    return [float(score) for score in found.score]


def test_what_stays_outside_is_one_anomaly_that_is_over_when_it_is_back(tmp_path: Path) -> None:
    part = Anomaly.model_validate({"detector": "limits", "parameters": {"high": 10}, "clear_after": 20})
    part.prepare(Context("anomaly", tmp_path))
    values = np.full((300, 1), 5.0)
    values[100:200] = 12.0
    found = told(part, readings(values, ["pressure"]))
    assert len(found) == 2
    began, ended = found
    assert isinstance(began, AnomalyDetected)
    assert isinstance(ended, AnomalyCleared)
    assert (began.time, ended.time) == (100 * SECOND, 219 * SECOND)


def test_a_dead_band_keeps_a_wavering_series_outside() -> None:
    values = [9.0, 10.5, 9.8, 10.2, 9.6, 9.5, 9.9, 0.5, -0.5, 0.4, 0.6]
    assert scores(values, low=0, high=10) == [0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0]
    assert scores(values, low=0, high=10, deadband=0.5) == [0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0]
    assert scores([11.0, -1.0, 0.2], low=0, high=10, deadband=0.5) == [1, 1, 1]


def test_a_dead_band_is_no_wider_than_the_band() -> None:
    with pytest.raises(ValidationError, match="wider than the band"):
        Limits(low=0, high=1, deadband=2)
