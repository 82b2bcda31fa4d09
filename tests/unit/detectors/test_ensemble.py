"""What several detectors say together."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from agents.state import dump, restore
from models.bundle import builtin
from models.detectors import DETECTORS, Scores, score_batch
from models.detectors.base import Floats
from models.detectors.ensemble import Ensemble

LOW: dict[str, Any] = {"kind": "limits", "parameters": {"low": -10, "high": 3.5}}
HIGH: dict[str, Any] = {"kind": "limits", "parameters": {"low": -10, "high": 6}}
MAD: dict[str, Any] = {"kind": "mad", "parameters": {"threshold": 0.4}}


def scored(detector: Any, values: Floats) -> Scores:
    state, k = detector.start(), len(values)
    detector.grow(state, 1)
    return score_batch(detector, state, np.zeros(k, np.int64), np.arange(k) * 10**9, values)


def noise(k: int = 400) -> Floats:
    values = np.random.default_rng(3).normal(0, 1, k)
    values[[200, 300, 350]] = 4.0, 7.0, -9.0
    return values


def alarms(**settings: Any) -> list[int]:
    detector = Ensemble.model_validate(settings)
    return np.flatnonzero(scored(detector, noise()).score >= 0.5).tolist()


def test_any_member_is_enough() -> None:
    """`max` alarms where at least one member does by its own threshold."""
    alone = [DETECTORS[one["kind"]].model_validate(one["parameters"]) for one in (HIGH, MAD)]
    single = [set(np.flatnonzero(scored(one, noise()).score >= one.threshold).tolist()) for one in alone]
    assert set(alarms(members=[HIGH, MAD])) == single[0] | single[1]
    assert single[0] != single[1]


def test_so_many_have_to_agree() -> None:
    assert alarms(members=[LOW, HIGH], combine="agree", agree=1) == [200, 300]
    assert alarms(members=[LOW, HIGH], combine="agree", agree=2) == [300]


def test_the_mean_is_of_scores_on_one_scale() -> None:
    """A member at its own threshold says one half, whatever the threshold is."""
    detector = Ensemble.model_validate({"members": [LOW, MAD], "combine": "mean"})
    low, mad = (scored(one, noise()).score for one in detector._detectors)
    moved = np.where(mad < 0.4, mad / 0.8, 0.5 + (mad - 0.4) / 1.2)
    assert np.abs(scored(detector, noise()).score - (low + moved) / 2).max() < 1e-12


def test_a_member_is_heard_for_some_readings() -> None:
    """Members that speak one after the other agree within so many readings, and not beyond."""
    upper = {"kind": "limits", "parameters": {"low": -1e9, "high": 5}}
    lower = {"kind": "limits", "parameters": {"low": -5, "high": 1e9}}
    values = np.zeros(40)
    values[10], values[14] = 9.0, -9.0
    for within, expected in ((4, []), (5, [14]), (7, [14, 15, 16])):
        settings = {"members": [upper, lower], "combine": "agree", "agree": 2, "within": within}
        found = scored(Ensemble.model_validate(settings), values)
        assert np.flatnonzero(found.score >= 0.5).tolist() == expected


@pytest.mark.parametrize("within", [1, 5])
def test_the_reason_names_the_member(within: int) -> None:
    detector = Ensemble.model_validate({"members": [LOW, MAD], "within": within})
    found = scored(detector, noise())
    assert detector.reasons[found.reason[200]] == "limits: above the upper limit"
    assert detector.reasons[found.reason[350]] == "mad: far below the recent median"
    assert len(set(detector.reasons)) == len(detector.reasons)


@pytest.mark.parametrize("cut", [1, 7, 64])
def test_the_cut_of_batches_changes_nothing(cut: int) -> None:
    """Also with members that are heard for a while, and with a state that goes through bytes."""
    records = {"kind": "records", "parameters": {"threshold": 0.3}}
    settings = {"members": [LOW, MAD, records], "combine": "agree", "agree": 2, "within": 6}
    detector = Ensemble.model_validate(settings)
    rng, state = np.random.default_rng(2), detector.start()
    rows, values = rng.integers(0, 3, 900), rng.normal(0, 2, 900)
    detector.grow(state, 3)
    whole = score_batch(detector, state, rows, np.arange(900), values)
    state, parts = detector.start(), []
    detector.grow(state, 3)
    for i in range(0, 900, cut):
        parts.append(score_batch(detector, state, rows[i : i + cut], np.arange(900)[i : i + cut], values[i : i + cut]))
        if i % 7 == 0:
            state = restore(detector.start(), dump(state))
    assert np.concatenate([part.score for part in parts]).tobytes() == whole.score.tobytes()
    assert np.concatenate([part.reason for part in parts]).tobytes() == whole.reason.tobytes()
    assert (whole.score >= 0.5).any()


def test_a_bundle_holds_every_parameter_of_every_member() -> None:
    """A later default of a member must not change what the bundle means."""
    given: dict[str, Any] = {"members": [{"kind": "mad"}, {"kind": "ewma", "parameters": {"warmup": 9}}]}
    bundle = builtin("ensemble", given)
    members: Any = bundle.manifest.detector.parameters["members"]
    mad, ewma = members
    assert mad["parameters"] == {"threshold": 0.5, "window": 63}
    assert ewma["parameters"] == {"threshold": 0.69, "weight": 0.02, "warmup": 9}
    assert given["members"][0] == {"kind": "mad"}, "what was given is left as it was"
    assert scored(bundle.detector(), noise()).score.any()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"members": [{"kind": "ensemble"}]}, "cannot have a member 'ensemble'"),
        ({"members": [{"kind": "nothing"}]}, "cannot have a member 'nothing'"),
        ({"members": [{"kind": "mad", "parameters": {"window": 1}}]}, "window"),
        ({"members": [LOW], "combine": "agree", "agree": 2}, "2 of 1 members can never agree"),
        ({"members": []}, "at least 1"),
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Ensemble.model_validate(settings)
