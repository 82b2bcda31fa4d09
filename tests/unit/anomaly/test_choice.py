"""Some series get a detector of their own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from agents.anomaly import Anomaly
from agents.parts import Context
from contracts.errors import ConfigError
from contracts.events import AnomalyDetected, ReadingsScored
from contracts.instants import SECOND
from contracts.readings import Readings, Series

from .made import told

SERIES = [Series("plant", asset, channel) for asset in ("pump-1", "fan-1") for channel in ("flow", "heat")]
LIMITS = {"detector": "limits", "parameters": {"high": 5.0}}
CHOOSE: dict[str, Any] = {"flows": {"asset": "pump-*", "channel": "flow", **LIMITS}, "heats": {"channel": "heat"}}
ROWS, SPIKE = 500, 450


def batch() -> Readings:
    """Four series in turn, each with one spike."""
    values = np.random.default_rng(4).normal(0, 1, (ROWS, 4))
    values[SPIKE] = 40.0
    number = np.repeat(np.arange(ROWS), 4)
    return Readings.of(SERIES, np.tile(np.arange(4), ROWS), number * SECOND, values.ravel(), number)


def parts(folder: Path, **settings: Any) -> dict[str, Any]:
    found = dict(Anomaly.model_validate(settings).parts("anomaly"))
    for part in found.values():
        part.prepare(Context("anomaly", folder))
    return found


def findings(folder: Path, cut: int = 10**6, **settings: Any) -> dict[str, list[AnomalyDetected]]:
    """What each part reports at the spike."""
    said = {name: told(part, batch(), cut, saved=cut < 100) for name, part in parts(folder, **settings).items()}
    return {
        name: [event for event in events if isinstance(event, AnomalyDetected) and event.time == SPIKE * SECOND]
        for name, events in said.items()
    }


def test_each_series_is_scored_by_the_first_choice_that_fits_and_by_no_other(tmp_path: Path) -> None:
    found = findings(tmp_path, choose=CHOOSE)
    by = {name: [(event.asset, event.channel, event.detector) for event in events] for name, events in found.items()}
    assert by == {
        "anomaly": [("fan-1", "flow", "records")],
        "flows": [("pump-1", "flow", "limits")],
        "heats": [("pump-1", "heat", "records"), ("fan-1", "heat", "records")],
    }


def test_what_no_choice_fits_is_scored_as_without_choices(tmp_path: Path) -> None:
    """Same events, id by id and byte by byte, evidence included: only whose they are changes."""
    plain = {event.id: event for event in findings(tmp_path)["anomaly"]}
    chosen = findings(tmp_path, choose={"heats": {"channel": "heat"}})
    both = {event.id: event for events in chosen.values() for event in events}
    assert len(plain) == 4
    assert both == plain


@pytest.mark.parametrize("cut", [1, 17])
def test_the_cut_of_batches_changes_nothing(tmp_path: Path, cut: int) -> None:
    assert findings(tmp_path, cut, choose=CHOOSE) == findings(tmp_path, choose=CHOOSE)


def test_a_choice_may_have_its_own_threshold(tmp_path: Path) -> None:
    silent = {"all": {"detector": "mad", "threshold": 1.0}}
    assert findings(tmp_path, choose=silent) == {"anomaly": [], "all": []}
    loud = {"all": {"detector": "mad", "threshold": 0.5}}
    assert len(findings(tmp_path, choose=loud)["all"]) == 4


def test_scores_are_written_by_whoever_scores(tmp_path: Path) -> None:
    for name, part in parts(tmp_path, choose=CHOOSE, scores=True).items():
        written = [event for event in told(part, batch()) if isinstance(event, ReadingsScored)]
        series = {one.name for event in written for one in event.readings.series}
        expected = {"anomaly": {"fan-1/flow"}, "flows": {"pump-1/flow"}, "heats": {"pump-1/heat", "fan-1/heat"}}
        assert series == expected[name]


def test_names_have_to_be_names(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="plain words"):
        Anomaly.model_validate({"choose": {"a<b": {}}})
    with pytest.raises(ConfigError, match="the name of its agent"):
        Anomaly.model_validate({"choose": {"anomaly": {}}}).parts("anomaly")
