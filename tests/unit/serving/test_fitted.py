"""Bundles with a feature set, and bundles with a state: served as they were trained, however readings are cut."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.serving.scorer import scorer
from agents.state import dump
from contracts.errors import BundleRefused
from contracts.events import AnomalyDetected, Candidate, ReadingsScored
from contracts.readings import Readings
from models import kinds
from models.bundle import Bundle
from tests.unit.anomaly.bundles import Step, anomaly, made, readings, said, served, texts, told
from tests.unit.serving.fitted import fitted, warm


def shuffled(given: Readings, by: int, seed: int = 2) -> Readings:
    """Readings that arrive up to so many places early or late."""
    order = np.argsort(np.arange(len(given)) + np.random.default_rng(seed).uniform(0, by, len(given)), kind="stable")
    return given.take(order)


def expected(bundle: Bundle, given: Readings) -> dict[int, float]:
    """Position of each reading -> its score, by the definition: features of the training, then detector."""
    features = bundle.feature_set
    state = features.start()
    features.grow(state, len(given.series))
    rows, ordinals = given.code.astype(np.int64), np.arange(1, len(given) + 1)
    found = features.reduce(state, rows, given.time, given.value, ordinals)
    score = kinds.score(bundle.detector(), bundle.postprocessor(), bundle.state, found.features)
    score = np.where(np.isfinite(found.features).all(axis=1), score, 0.0)
    return dict(zip(given.position[found.ordinals - 1].tolist(), score.tolist(), strict=True))


@pytest.mark.parametrize("lateness", [0.0, 20.0])
@pytest.mark.parametrize("kind", ["mahalanobis", "isolation_forest"])
def test_scores_are_those_of_the_training(tmp_path: Path, kind: str, lateness: float) -> None:
    bundle = fitted(tmp_path, kind, lateness)
    given = shuffled(readings(900), 12 if lateness else 0)
    part = anomaly(tmp_path, bundle_digest=bundle.digest, scores=True)
    events = told(part, [given], cut=113)
    scored = [event.readings for event in events if isinstance(event, ReadingsScored)]
    found = {
        position: value
        for some in scored
        for position, value in zip(some.position.tolist(), some.value.tolist(), strict=True)
    }
    assert found == expected(bundle, given)
    assert lateness == 0 or len(found) < len(given), "the last ones wait"
    alerts = [event for event in events if isinstance(event, AnomalyDetected)]
    assert alerts
    assert all(event.bundle == bundle.digest and event.feature_set == bundle.feature_set.hash for event in alerts)
    assert all(event.reason.startswith("unusual ") for event in alerts)
    assert {event.value for event in alerts if event.value > 30} == {
        value for value in (event.value for event in alerts) if value in given.value and value > 30
    }


def both(folder: Path, lateness: float) -> list[Step]:
    """To windows, from one to another, a canary, its promotion, and back to a streaming detector."""
    one, two = fitted(folder, "mahalanobis", lateness), fitted(folder, "isolation_forest", lateness)
    mad = made(folder, "mad").digest
    pieces = [shuffled(readings(300, begin=300 * number), 12 if lateness else 0) for number in range(6)]
    canary = Candidate(bundle=two.digest, mode="canary", rollout="r1", share=50.0)
    shadow = Candidate(bundle=one.digest, mode="shadow", rollout="r2")
    return [
        pieces[0],
        served(one.digest, number=1),
        pieces[1],
        served(one.digest, canary, 2),
        pieces[2],
        served(two.digest, number=3),
        pieces[3],
        served(mad, number=4),
        pieces[4],
        served(mad, shadow, number=5),
        pieces[5],
    ]


@pytest.mark.parametrize(("cut", "saved"), [(1, False), (37, True), (400, False)])
@pytest.mark.parametrize("lateness", [0.0, 20.0])
def test_no_cut_and_no_restart_changes_what_is_said(tmp_path: Path, cut: int, saved: bool, lateness: float) -> None:
    part, log = anomaly(tmp_path, scores=True), both(tmp_path, lateness)
    assert texts(told(part, log, cut, saved=saved)) == texts(told(part, log))


def test_what_a_champion_held_back_is_scored_by_the_next_one(tmp_path: Path) -> None:
    """Each reading once, those within the lateness at the swap included."""
    first, second = fitted(tmp_path, "mahalanobis", 20.0), fitted(tmp_path, "isolation_forest", 0.0)
    part = anomaly(tmp_path, bundle_digest=first.digest, scores=True)
    events, state = said(part, [readings(900), served(second.digest), readings(900, begin=900)])
    positions = [p for event in events if isinstance(event, ReadingsScored) for p in event.readings.position.tolist()]
    assert sorted(positions) == list(range(1_800))
    assert len(state.champion.waiting) == 0


def test_a_streaming_detector_begins_with_what_its_bundle_knows(tmp_path: Path) -> None:
    """The same scores as if it had seen the past itself; series that it does not know begin anew."""
    past, now = readings(1_200), readings(1_200, begin=1_200)
    bundle = warm(tmp_path, past)
    part = anomaly(tmp_path, bundle_digest=bundle.digest, scores=True)
    whole = anomaly(tmp_path, bundle_digest=made(tmp_path, "mad").digest, scores=True)
    scored = [event.readings.value for event in told(part, [now], 100) if isinstance(event, ReadingsScored)]
    alone = [event.readings.value for event in told(whole, [past, now]) if isinstance(event, ReadingsScored)]
    assert np.concatenate(scored).tolist() == alone[1].tolist()
    assert alone[1].any()
    strange = replace(now, series=tuple(each._replace(asset=f"x{each.asset}") for each in now.series))
    fresh = [event.readings.value for event in told(part, [strange]) if isinstance(event, ReadingsScored)]
    cold = [event.readings.value for event in told(whole, [strange]) if isinstance(event, ReadingsScored)]
    assert fresh[0].tolist() == cold[0].tolist() != alone[1].tolist()


def test_a_warm_bundle_is_swapped_in_warm(tmp_path: Path) -> None:
    past, now = readings(1_200), readings(1_200, begin=1_200)
    bundle = warm(tmp_path, past)
    direct = told(anomaly(tmp_path, bundle_digest=bundle.digest), [now])
    _, state = said(anomaly(tmp_path), [past])
    part = anomaly(tmp_path)
    list(part.handle(served(bundle.digest), state))
    events = told(part, [past, served(bundle.digest), now])
    late = [event.id for event in events if isinstance(event, AnomalyDetected) and event.bundle == bundle.digest]
    assert late == [event.id for event in direct if isinstance(event, AnomalyDetected)] != []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"state/names": None}, "state/names is missing"),
        ({"state/names": np.frombuffer(b"m0/c0\n", np.uint8).copy()}, "expected"),
        ({"state/names": np.frombuffer(b"\xff\n", np.uint8).copy()}, "not text"),
        ({"state/more": np.zeros(6)}, "not of this detector"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    bundle = warm(tmp_path, readings(1_200), **change)
    with pytest.raises(BundleRefused, match=says) as refused:
        scorer(bundle)
    assert refused.value.kind == "state"


def test_states_of_windows_come_back(tmp_path: Path) -> None:
    bundle = fitted(tmp_path, "mahalanobis", 20.0)
    part = anomaly(tmp_path, bundle_digest=bundle.digest)
    _, state = said(part, [shuffled(readings(900), 12)])
    assert len(state.champion.waiting) > 0
    assert dump(part.load(dump(state))) == dump(state)
