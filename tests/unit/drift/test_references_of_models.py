"""References that a model brings: kept whole, in force from a place of the log on, and named in what is told."""

from pathlib import Path

import numpy as np
import pytest

from agents.drift import Drift
from agents.state import dump
from contracts.errors import Unavailable
from contracts.events import DriftDetected, ReadingsAccepted
from models.bundle import Bundle, build, read, write
from models.cache import BundleCache
from models.detectors import DETECTORS
from models.drift import DriftTest, Reference
from models.drift.bundled import Bound, pack, unpack
from models.drift.covered import Covered
from models.manifest import Component
from models.training.references import References
from models.training.rows import Rows
from tests.unit.drift.logs import (
    F64,
    MINUTE,
    MONDAY,
    Step,
    ack,
    agent,
    begin,
    drifts,
    references,
    rows,
    said,
    served,
)
from tests.unit.training.pasts import past, plan_of, trained


def noise(n: int, seed: int = 1, shift: float = 0.0) -> F64:
    return 20 + shift + np.random.default_rng(seed).standard_normal(n)


def bound(values: F64) -> Bound:
    times = MONDAY - (1 + np.arange(len(values), dtype=np.int64)[::-1]) * MINUTE
    return Bound(DriftTest().fit(values, 1440, times), Covered.of(times, values))


def bundle(folder: Path, kind: str = "records", **values: F64) -> Bundle:
    """A bundle in the cache, with references for ``asset__channel``."""
    learned = {name.replace("__", "/"): bound(each) for name, each in values.items()}
    made = build(kind, DETECTORS[kind](), postprocessor=Component(kind="none"), arrays=pack(learned))
    BundleCache(folder).put(made)
    return made


# ---------------------------------------------------------------- in a bundle


def test_a_reference_comes_out_of_a_bundle_as_it_went_in(tmp_path: Path) -> None:
    duty = np.where(np.arange(2_000) // 100 % 2, 50.0, 10.0) + noise(2_000, 3)
    given = {"m1/a": bound(noise(1_000)), "pump é/b": bound(duty)}
    assert given["pump é/b"].reference.states > 1
    made = build("x", DETECTORS["records"](), postprocessor=Component(kind="none"), arrays=pack(given))
    write(made, tmp_path / "bundle")
    found = unpack(read(tmp_path / "bundle").arrays)
    assert {name: each.reference.digest() for name, each in found.items()} == {
        name: each.reference.digest() for name, each in given.items()
    }
    assert {name: each.covered for name, each in found.items()} == {name: each.covered for name, each in given.items()}
    assert unpack({}) == {}


def test_arrays_that_do_not_fit_are_refused() -> None:
    arrays = pack({"m1/a": bound(noise(1_000)), "m1/b": bound(noise(1_000, 2))})
    for name in arrays:
        with pytest.raises(ValueError, match="reference"):
            unpack(
                {key: array for key, array in arrays.items() if key != name}
                | {"reference/names": np.zeros(2, np.uint8)}
            )
    with pytest.raises(ValueError, match="another length"):
        unpack(arrays | {"reference/knots": arrays["reference/knots"][:1]})


def test_training_writes_what_each_series_was_like_in_what_was_fitted_on() -> None:
    training = trained(plan_of("records"), past())
    split = training.split
    assert split is not None
    found = unpack(training.outcomes()[0].bundle.arrays)
    assert sorted(found) == sorted({series.name for series in past().series})
    for name, each in found.items():
        of_series = np.array([series.name == name for series in past().series])[past().code]
        mine = past().value[of_series & (past().time < split.calibrate_from)][-5_000:]
        assert isinstance(each.reference, Reference)
        assert each.reference.mean == pytest.approx(mine[np.isfinite(mine)].mean())
        assert each.covered.end < split.calibrate_from, "nothing is learned from what comes later"


def test_what_training_keeps_does_not_depend_on_batches() -> None:
    n = 12_000
    given = Rows(np.arange(n) % 2, MONDAY + np.arange(n) * MINUTE, noise(n), np.arange(n))
    arrays = []
    for size in (n, 777):
        kept = References(2)
        for start in range(0, n, size):
            kept.take(given.at(np.arange(start, min(n, start + size))), {0: "m/a", 1: "m/b"})
        arrays.append(kept.arrays())
    assert arrays[0]["reference/n"].tolist() == [5_000, 5_000]
    assert all(np.array_equal(array, arrays[1][name]) for name, array in arrays[0].items())
    few = References(1)
    few.take(given, {0: "m/a", 1: "m/b"})
    assert few.arrays() == {}, "which series would be kept would be by chance"


def test_training_knows_which_readings_were_missing() -> None:
    """Or a series that always lost some would be told as soon as its model is served."""
    at = np.flatnonzero(np.random.default_rng(1).random(4_000) > 0.15)
    kept = References(1)
    kept.take(Rows(np.zeros(len(at), np.int64), MONDAY + at * MINUTE, noise(len(at)), at), {0: "m/a"})
    assert unpack(kept.arrays())["m/a"].reference.missing[0] == pytest.approx(0.15, abs=0.03)


# ---------------------------------------------------------------- in force


def test_a_series_is_measured_against_its_model_from_the_first_reading_on(tmp_path: Path) -> None:
    made = bundle(tmp_path, m1__a=noise(1_500))
    values = {"m1/a": noise(200, 2, 1.5), "m1/b": noise(200, 3)}
    (event,) = drifts(said(agent(tmp_path, bundle_digest=made.digest), [rows(values)]))
    assert (event.channel, event.kind, event.direction, event.bundle) == ("a", "mean", "up", made.digest)
    assert event.reference == unpack(made.arrays)["m1/a"].reference.digest()
    assert drifts(said(agent(tmp_path), [rows(values)])) == [], "its own past would have learned the change"


def test_a_model_that_is_served_brings_its_references_at_that_place(tmp_path: Path) -> None:
    made = bundle(tmp_path, m1__a=noise(1_500, 4, 3.0), m1__b=noise(1_500, 5))
    values = {"m1/a": noise(900), "m1/b": noise(900, 2)}
    steps: list[Step] = [rows(values), served(made.digest), rows({"m1/a": noise(400, 6), "m1/b": noise(400, 7)}, 900)]
    part = agent(tmp_path)
    told = said(part, steps)
    changed = references(told)
    assert [(each.channel, each.origin, each.bundle, each.by) for each in changed] == [
        (name, "bundle", made.digest, "anomaly") for name in "ab"
    ]
    assert all(each.previous and each.previous != each.reference for each in changed)
    (event,) = drifts(told)
    assert (event.channel, event.direction, event.bundle) == ("a", "down", made.digest)
    assert event.time >= begin(steps[2])
    for cut, saved in ((100, True), (7, False)):
        again = said(agent(tmp_path), steps, cut, saved=saved)
        assert [e.model_dump_json() for e in again] == [e.model_dump_json() for e in told]
    assert references(said(part, [*steps[:2], served(made.digest)])) == changed, "said twice, it is one change"
    other = said(part, [rows(values), served(made.digest, agent="assets"), steps[2]])
    assert other == [], "other agents' models are no reference"


def test_a_model_without_references_changes_nothing(tmp_path: Path) -> None:
    values = np.concatenate([noise(900), noise(500, 2, 1.5)])
    plain = bundle(tmp_path, "ewma")
    alone = said(agent(tmp_path), [rows({"m1/a": values[:700]}), rows({"m1/a": values[700:]}, 700)])
    steps: list[Step] = [rows({"m1/a": values[:700]}), served(plain.digest), rows({"m1/a": values[700:]}, 700)]
    assert [event.model_copy(update={"evidence": 0}) for event in said(agent(tmp_path), steps)] == [
        event.model_copy(update={"evidence": 0}) for event in alone
    ]


def test_without_the_bundle_in_force_the_lane_waits(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="in force"):
        said(agent(tmp_path), [served("0" * 32)])


def test_a_drift_against_a_model_is_acknowledged_by_learning_anew(tmp_path: Path) -> None:
    made = bundle(tmp_path, m1__a=noise(1_500))
    steps: list[Step] = [
        rows({"m1/a": noise(300, 2, 1.5)}),
        ack("m1", "re-reference", "a"),
        rows({"m1/a": noise(900, 3, 1.5)}, 300),
    ]
    first, second = said(agent(tmp_path, bundle_digest=made.digest), steps)
    assert isinstance(first, DriftDetected)
    (event,) = references([second])
    assert (event.previous, event.origin, event.bundle) == (first.reference, "own past", "")


# ---------------------------------------------------------------- causes


def test_an_asset_that_the_model_never_saw_is_said_once(tmp_path: Path) -> None:
    made = bundle(tmp_path, m1__a=noise(1_500))
    part = agent(tmp_path, bundle_digest=made.digest)
    values = {"m1/a": noise(300, 2), "m1/new": noise(300, 3), "m9/a": noise(300, 4), "m9/b": noise(300, 5)}
    told = said(part, [rows(values), rows({"m9/c": noise(50)}, 300)])
    (event,) = drifts(told)
    assert (event.kind, event.asset, event.severity, event.part_of) == ("new asset", "m9", "info", "")
    assert [e.id for e in said(part, [rows(values), rows({"m9/c": noise(50)}, 300)], 3)] == [event.id]


def test_skew_is_named_before_any_other_cause(tmp_path: Path) -> None:
    """The reference is of one model, the scores are of another: that explains a change without the machine."""
    made, other = bundle(tmp_path, m1__a=noise(1_500)), bundle(tmp_path, "ewma")
    steps: list[Step] = [served(other.digest), rows({"m1/a": noise(300, 2, 1.5)})]
    (event,) = drifts(said(agent(tmp_path, bundle_digest=made.digest), steps))
    assert (event.kind, event.observed) == ("skew", "mean")
    assert made.digest[:12] in event.detail
    assert other.digest[:12] in event.detail
    (event,) = drifts(said(agent(tmp_path, bundle_digest=made.digest), [served(made.digest), steps[1]]))
    assert (event.kind, event.observed, event.detail) == ("mean", "", "")


@pytest.mark.parametrize(("name", "word"), [("_environment", "environment"), ("_feature_set", "feature set")])
def test_a_reference_that_was_learned_with_other_code_is_skew(tmp_path: Path, name: str, word: str) -> None:
    before, after = agent(tmp_path), agent(tmp_path)
    state = before.start()
    assert not list(before.handle(ReadingsAccepted(rows({"m1/a": noise(700)})), state))
    setattr(after, name, "another")
    state = after.load(dump(state))
    (event,) = drifts(list(after.handle(ReadingsAccepted(rows({"m1/a": noise(300, 2, 1.5)}, 700)), state)))
    assert (event.kind, event.observed) == ("skew", "mean")
    assert f"{word} " in event.detail


def season(minutes: int, begin: int = 0) -> F64:
    rng = np.random.default_rng(begin)
    at = begin + np.arange(minutes)
    return 20 + 4 * np.sin(2 * np.pi * at / 1440) + rng.standard_normal(minutes)


def test_a_time_of_day_that_the_reference_never_saw_is_a_season(tmp_path: Path) -> None:
    (event,) = drifts(said(agent(tmp_path, false_alarms_per_year=20.0), [rows({"m1/a": season(1_400)})]))
    assert event.kind == "season"
    assert event.observed
    assert "(UTC)" in event.detail


def test_a_change_where_time_of_day_means_nothing_is_a_real_one(tmp_path: Path) -> None:
    values = np.concatenate([noise(800), noise(300, 2, 1.5)])
    (event,) = drifts(said(agent(tmp_path), [rows({"m1/a": values})]))
    assert (event.kind, event.detail) == ("mean", "")


def test_a_weekend_that_the_reference_never_saw_is_a_season(tmp_path: Path) -> None:
    """Monday to Friday is the reference; on Saturday the machine idles, or on Saturday afternoon something breaks."""
    week, minutes = 5 * 144, 10 * MINUTE
    for begins, kind in ((0, "season"), (90, "mean")):
        values = noise(week + 200, 3)
        values[week + begins :] += 2.0
        part: Drift = agent(tmp_path, reference_readings=week - 20)
        (event,) = drifts(said(part, [rows({"m1/a": values}, step=minutes)]))
        assert event.kind == kind, begins
