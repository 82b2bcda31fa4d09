"""The scores of readings, written to the log where that is asked for."""

from pathlib import Path

import numpy as np

from agents.anomaly import Anomaly
from agents.parts import Context
from contracts.events import ReadingsScored
from models.detectors import DETECTORS, score_batch
from tests.unit.anomaly.made import pump, readings, told


def prepared(folder: Path, **settings: object) -> Anomaly:
    part = Anomaly.model_validate(settings)
    part.prepare(Context("anomaly", folder))
    return part


def test_every_reading_has_its_score(tmp_path: Path) -> None:
    given = readings(pump())
    part = prepared(tmp_path, scores=True)
    scored = [event.readings for event in told(part, given, 250) if isinstance(event, ReadingsScored)]
    detector = DETECTORS["records"]()
    state = detector.start()
    detector.grow(state, 3)
    expected = score_batch(detector, state, given.code.astype(np.int64), given.time, given.value).score
    assert np.concatenate([each.value for each in scored]).tobytes() == expected.tobytes()
    assert np.concatenate([each.position for each in scored]).tolist() == given.position.tolist()
    assert np.concatenate([each.time for each in scored]).tolist() == given.time.tolist()
    assert expected.max() > 0


def test_by_default_none_is_written(tmp_path: Path) -> None:
    given = readings(pump())
    plain, asked = told(prepared(tmp_path), given), told(prepared(tmp_path, scores=True), given)
    assert not any(isinstance(event, ReadingsScored) for event in plain)
    assert plain == [event for event in asked if not isinstance(event, ReadingsScored)]
    assert plain, "there is something to be found"
