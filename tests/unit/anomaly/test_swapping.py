"""Changing models between two readings: who scores, what goes on, and that nothing depends on how readings are cut."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.serving.slots import BINS, EVERY, decides
from agents.state import dump
from contracts.errors import CorruptEvent, Unavailable
from contracts.events import (
    AnomalyCleared,
    AnomalyDetected,
    Candidate,
    ModelMeasured,
    ReadingsScored,
    ShadowFound,
)
from models.cache import BundleCache
from tests.unit.anomaly.bundles import Step, anomaly, made, readings, said, served, texts, told

SHADOW: dict[str, Any] = {"mode": "shadow", "rollout": "r1"}
CANARY: dict[str, Any] = {"mode": "canary", "rollout": "r1", "share": 50.0}


def steps(folder: Path) -> list[Step]:
    """Every kind of change: to another, into the shadow, a canary, its promotion, back, and one that is none."""
    mad, ewma = made(folder, "mad").digest, made(folder, "ewma").digest
    limits = made(folder, "limits", high=30.0).digest
    pieces = [readings(1_500, begin=1_500 * number) for number in range(8)]
    return [
        pieces[0],
        served(mad, number=1),
        pieces[1],
        served(mad, Candidate(bundle=ewma, **SHADOW), 2),
        pieces[2],
        pieces[3],
        served(mad, Candidate(bundle=ewma, **CANARY), 3),
        pieces[4],
        served(ewma, number=4),
        pieces[5],
        served(ewma, number=5),
        served(limits, Candidate(bundle=mad, mode="ab", rollout="r2", share=30.0), 6),
        pieces[6],
        served(limits, number=7),
        pieces[7],
    ]


@pytest.mark.parametrize(("cut", "saved"), [(1, False), (37, True), (1_000, False)])
def test_no_cut_and_no_restart_changes_what_is_said(tmp_path: Path, cut: int, saved: bool) -> None:
    part, log = anomaly(tmp_path, scores=True), steps(tmp_path)
    whole = texts(told(part, log))
    kinds = {text.partition(" ")[0] for text in whole}
    assert kinds == {"AnomalyDetected", "AnomalyCleared", "ReadingsScored", "ShadowFound", "ModelMeasured"}
    assert texts(told(part, log, cut, saved=saved)) == whole


def test_each_finding_carries_the_bundle_whose_scores_it_is_made_of(tmp_path: Path) -> None:
    """Scored again, bundle by bundle, without swaps: the scores told are those of the bundle that is named."""
    part, limits = anomaly(tmp_path), made(tmp_path, "limits", high=30.0).digest
    other = made(tmp_path, "limits", high=38.0).digest
    pieces = [readings(900, begin=900 * number) for number in range(6)]
    log: list[Step] = [served(limits)]
    for number, piece in enumerate(pieces):
        log += [piece, served(other if number % 2 == 0 else limits, number=number + 1)]
    found = [event for event in told(part, log) if isinstance(event, AnomalyDetected)]
    assert {event.bundle for event in found} == {limits, other}
    for event in found:
        number = event.time // 900_000_000_000
        assert event.bundle == (limits, other)[number % 2]
        assert event.value > (30.0, 38.0)[number % 2]
    assert found == [event for event in found if event.detector == "limits"]


def test_an_open_anomaly_goes_on_and_is_cleared_with_its_cause(tmp_path: Path) -> None:
    part = anomaly(tmp_path, detector="limits", parameters={"high": 30.0}, clear_after=5)
    next_one = made(tmp_path, "limits", high=1000.0).digest
    high = readings(12, series=1)
    high.value[:] = 40.0
    quiet = readings(12, series=1, begin=12)
    detected, cleared = told(part, [high, served(next_one), quiet])
    assert isinstance(detected, AnomalyDetected)
    assert isinstance(cleared, AnomalyCleared)
    assert cleared.cause == detected.id
    assert (detected.bundle, cleared.bundle) == (part.bundle, next_one)


def test_a_shadow_tells_nothing_but_apart_and_changes_nothing(tmp_path: Path) -> None:
    part, limits = anomaly(tmp_path), made(tmp_path, "limits", high=30.0).digest
    given = [readings(3_000), readings(3_000, begin=3_000)]
    plain = [event for event in told(part, given) if not isinstance(event, ModelMeasured)]
    beside = told(part, [given[0], served(part.bundle, Candidate(bundle=limits, **SHADOW)), given[1]])
    apart = [event for event in beside if isinstance(event, ShadowFound)]
    assert {event.bundle for event in apart} == {limits}
    assert {event.kind for event in apart} == {"detected", "cleared"}
    ids = {event.id for event in apart if event.kind == "detected"}
    assert {event.cause for event in apart if event.kind == "cleared"} <= ids
    # The ordinals behind the change are one further: a ModelServed stands there.
    times = [(type(event), event.id, event.score if isinstance(event, AnomalyDetected) else 0) for event in plain]  # type: ignore[union-attr] # no readings
    assert times == [
        (type(event), event.id, event.score if isinstance(event, AnomalyDetected) else 0)
        for event in beside
        if isinstance(event, AnomalyDetected | AnomalyCleared)
    ]


def test_a_canary_decides_for_its_assets_and_no_others(tmp_path: Path) -> None:
    part, limits = anomaly(tmp_path), made(tmp_path, "limits", high=30.0).digest
    candidate = Candidate(bundle=limits, mode="canary", rollout="r9", share=40.0)
    given = readings(60_000, series=80)
    found = [
        event for event in told(part, [served(part.bundle, candidate), given]) if isinstance(event, AnomalyDetected)
    ]
    ours = {f"m{number}" for number in range(40) if decides("r9", 40.0, f"m{number}")}
    assert 0 < len(ours) < 40
    assert {event.asset for event in found if event.bundle == limits} == ours
    assert {event.asset for event in found if event.bundle == part.bundle}.isdisjoint(ours)


def test_a_larger_share_has_the_assets_of_a_smaller_one() -> None:
    names = [f"pump-{number}" for number in range(5_000)]
    few, more = ({name for name in names if decides("r", share, name)} for share in (10.0, 25.0))
    assert few < more
    assert abs(len(few) - 500) < 5 * np.sqrt(5_000 * 0.1 * 0.9)
    assert not any(decides("r", 0.0, name) for name in names)
    assert all(decides("r", 100.0, name) for name in names)
    assert {name for name in names if decides("another", 10.0, name)} != few


def test_a_candidate_that_is_promoted_goes_on_with_what_it_knows(tmp_path: Path) -> None:
    """As if it had served all the time; a fresh one would be silent through its warm-up."""
    part, mad = anomaly(tmp_path), made(tmp_path, "mad").digest
    given = [readings(3_000, begin=3_000 * number) for number in range(2)]
    alone = told(anomaly(tmp_path, bundle_digest=mad), [served(mad), given[0], served(mad), given[1]])
    beside = told(part, [served(part.bundle, Candidate(bundle=mad, **SHADOW)), given[0], served(mad), given[1]])
    late = [
        [
            (event.id, event.score)
            for event in events
            if isinstance(event, AnomalyDetected) and event.time >= 3_100 * 10**9
        ]
        for events in (alone, beside)
    ]
    assert late[0] == late[1] != []


def test_what_a_bundle_did_is_counted(tmp_path: Path) -> None:
    part, limits = anomaly(tmp_path), made(tmp_path, "limits", high=30.0).digest
    candidate = Candidate(bundle=limits, mode="canary", rollout="r1", share=50.0)
    log: list[Step] = [
        served(part.bundle, candidate),
        readings(2 * EVERY),
        readings(EVERY, begin=2 * EVERY),
        served(limits, number=9),
    ]
    events = told(part, log)
    measured = [event for event in events if isinstance(event, ModelMeasured)]
    assert {event.role for event in measured} == {"champion", "candidate"}
    assert sum(event.readings for event in measured) == 3 * EVERY
    assert all(sum(event.scores) == event.readings and len(event.scores) == BINS for event in measured)
    assert max(event.readings for event in measured) == EVERY
    for bundle in (limits, part.bundle):
        alerts = [event for event in events if isinstance(event, AnomalyDetected) and event.bundle == bundle]
        assert sum(event.alerts for event in measured if event.bundle == bundle) == len(alerts) > 0
    assert len({event.id for event in measured}) == len(measured)
    assert not any(isinstance(event, ModelMeasured) for event in told(part, [readings(2 * EVERY)]))


def test_scores_are_written_once_for_each_reading_by_whoever_decides(tmp_path: Path) -> None:
    part, limits = anomaly(tmp_path, scores=True), made(tmp_path, "limits", high=30.0).digest
    log: list[Step] = [served(part.bundle, Candidate(bundle=limits, **CANARY)), readings(4_000)]
    written = [event.readings for event in told(part, log) if isinstance(event, ReadingsScored)]
    assert [position for part in written for position in part.position.tolist()] == list(range(4_000))


def test_a_state_is_of_the_bundle_that_the_log_says(tmp_path: Path) -> None:
    part, mad = anomaly(tmp_path), made(tmp_path, "mad").digest
    _, state = said(part, [readings(500), served(mad), readings(500, begin=500)])
    again = anomaly(tmp_path, detector="ewma").load(dump(state))
    assert again.champion.bundle == mad
    assert dump(again) == dump(state)


def test_before_the_log_says_anything_the_configuration_counts(tmp_path: Path) -> None:
    part = anomaly(tmp_path, detector="limits", parameters={"high": 30.0})
    _, state = said(part, [readings(500)])
    other = anomaly(tmp_path, detector="limits", parameters={"high": 38.0})
    assert other.load(dump(state)).champion.bundle == other.bundle
    with pytest.raises(CorruptEvent):
        anomaly(tmp_path, detector="mad").load(dump(state))


def test_who_is_pinned_serves_its_own_whatever_the_log_says(tmp_path: Path) -> None:
    mad = made(tmp_path, "mad").digest
    pinned = anomaly(tmp_path, pinned=True)
    given = [readings(2_000), readings(2_000, begin=2_000)]
    log: list[Step] = [given[0], served(mad), given[1]]
    assert {event.bundle for event in told(pinned, log) if isinstance(event, AnomalyDetected)} == {pinned.bundle}
    _, state = said(anomaly(tmp_path), [given[0], served(anomaly(tmp_path).bundle)])
    assert pinned.load(dump(state)).champion.served is False


def test_another_part_is_not_concerned(tmp_path: Path) -> None:
    part, mad = anomaly(tmp_path), made(tmp_path, "mad").digest
    _, state = said(part, [readings(100), served(mad, agent="anomaly.pumps")])
    assert state.champion.bundle == part.bundle


def test_a_bundle_that_is_missing_is_never_replaced_by_another(tmp_path: Path) -> None:
    part = anomaly(tmp_path)
    with pytest.raises(Unavailable, match="in force in the log and cannot be loaded here"):
        told(part, [readings(100), served("0" * 32), readings(100, begin=100)])
    mad = made(tmp_path / "there", "mad").digest
    there = anomaly(tmp_path / "there")
    _, state = said(there, [readings(100), served(mad)])
    with pytest.raises(Unavailable, match=mad):
        part.load(dump(state))
    BundleCache(tmp_path).put(made(tmp_path / "there", "mad"))
    assert part.load(dump(state)).champion.bundle == mad
