"""Every trained detector found in the tree is put through the same checks."""

import doctest
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load, save

from models import golden, kinds
from models.bundle import build, is_fitted
from models.features import FeatureSet, Windows
from models.manifest import TrainedOn
from models.trained import POSTPROCESSORS, TRAINED, Calibrated, Trained, golden_inputs
from tests.unit.trained.vectors import Floats, faulty, healthy

RANGE = TrainedOn(stream="readings.accepted", partitions={"0": (1, 9)}, since=0, until=8, readings=9, digest="d")
Arrays = dict[str, NDArray[Any]]
KINDS = sorted(TRAINED.items())


@pytest.fixture(params=sorted(TRAINED))
def detector(request: pytest.FixtureRequest) -> Trained:
    kind: str = request.param
    return TRAINED[kind]()


@pytest.fixture
def arrays(detector: Trained) -> Arrays:
    return detector.fit(healthy(800))


def both() -> Floats:
    out = np.concatenate((healthy(300, 5), faulty(100)))
    out[7, 2], out[9, 0] = np.nan, np.inf
    return out


def test_two_families_at_least_are_known() -> None:
    assert {"isolation_forest", "mahalanobis"} <= set(TRAINED)


def test_a_fit_is_a_function_of_its_vectors(detector: Trained, arrays: Arrays) -> None:
    again = detector.fit(healthy(800))
    assert save(arrays) == save(again)
    assert save(arrays) != save(detector.fit(healthy(800, 9)))


def test_arrays_can_be_kept_in_a_bundle(detector: Trained, arrays: Arrays) -> None:
    assert arrays
    assert all(name.startswith("state/") for name in arrays)
    assert {array.dtype.name for array in arrays.values()} <= {"float64", "int64"}


def test_scores_survive_saving_bit_for_bit(detector: Trained, arrays: Arrays) -> None:
    again = load(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))
    assert detector.score(arrays, both()).tobytes() == detector.score(again, both()).tobytes()


@pytest.mark.parametrize("cut", [1, 7, 64])
def test_the_cut_of_batches_changes_nothing(detector: Trained, arrays: Arrays, cut: int) -> None:
    vectors = both()
    whole = detector.score(arrays, vectors)
    parts = [detector.score(arrays, vectors[at : at + cut]) for at in range(0, len(vectors), cut)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    shares = [detector.shares(arrays, vectors[at : at + cut]) for at in range(0, len(vectors), cut)]
    assert np.concatenate(shares).tobytes() == detector.shares(arrays, vectors).tobytes()


def test_each_vector_is_scored_by_itself(detector: Trained, arrays: Arrays) -> None:
    vectors = both()
    order = np.random.default_rng(3).permutation(len(vectors))
    assert detector.score(arrays, vectors[order]).tobytes() == detector.score(arrays, vectors)[order].tobytes()
    layout = np.asfortranarray(vectors)
    assert detector.score(arrays, layout).tobytes() == detector.score(arrays, vectors).tobytes()


def test_scoring_changes_nothing(detector: Trained, arrays: Arrays) -> None:
    before, vectors = save(arrays), both()
    given = vectors.copy()
    detector.score(arrays, vectors)
    detector.shares(arrays, vectors)
    assert save(arrays) == before
    assert np.array_equal(vectors, given, equal_nan=True)


def test_vectors_with_absent_features_have_no_score(detector: Trained, arrays: Arrays) -> None:
    raw, shares = detector.score(arrays, both()), detector.shares(arrays, both())
    assert np.flatnonzero(np.isnan(raw)).tolist() == [7, 9]
    assert not shares[[7, 9]].any()
    assert len(detector.score(arrays, np.empty((0, 4)))) == 0


def test_faults_score_higher_than_health(detector: Trained, arrays: Arrays) -> None:
    usual, far = healthy(500, 6), healthy(500, 7) + np.array([0, 0, 8.0, 0])
    assert chance(detector, arrays, far, usual) > 0.95
    # Each feature alone is as usual here: that the forest does poorly is known, it cuts along the axes.
    assert chance(detector, arrays, faulty(500), usual) > (0.65 if detector.kind == "isolation_forest" else 0.99)


def chance(detector: Trained, arrays: Arrays, strange: Floats, usual: Floats) -> float:
    """That a strange vector scores higher than a usual one."""
    higher = detector.score(arrays, strange)[:, None] > detector.score(arrays, usual)[None, :]
    return float(higher.mean())


def test_shares_sum_up_to_one_and_name_the_culprit(detector: Trained, arrays: Arrays) -> None:
    vectors = healthy(50, 8)
    vectors[:, 2] += 40
    shares = detector.shares(arrays, vectors)
    assert shares.min() >= 0
    assert np.allclose(shares.sum(axis=1), 1)
    assert (shares.argmax(axis=1) == 2).mean() > 0.9


def test_a_vector_absurdly_far_away_is_the_strangest(detector: Trained, arrays: Arrays) -> None:
    vectors = healthy(100, 8)
    vectors[0] = (1e300, -1e300, 1e300, 1e300)
    raw = detector.score(arrays, vectors)
    assert raw[0] >= raw[1:].max()


def test_too_few_vectors_and_incomplete_ones_are_refused(detector: Trained) -> None:
    with pytest.raises(ValueError, match="too few"):
        detector.fit(healthy(detector.fewest - 1))
    with pytest.raises(ValueError, match="absent features"):
        detector.fit(both())


def test_constant_and_doubled_features_can_be_fitted(detector: Trained) -> None:
    """The covariance of these has no inverse, and the trees nothing to cut."""
    still = np.full((100, 3), 0.1)
    fitted = detector.fit(still)
    assert np.isfinite(detector.score(fitted, still)).all()
    assert detector.score(fitted, still + 1.0).max() >= detector.score(fitted, still).max()
    twins = healthy(200)[:, [0, 0, 1]]
    assert np.isfinite(detector.score(detector.fit(twins), twins)).all()


def some_windows(count: int) -> FeatureSet:
    names = [{"kind": "lag", "seconds": second} for second in range(1, count + 1)]
    return Windows.model_validate({"features": names})


def test_golden_vectors_of_a_bundle_are_scored_again(detector: Trained) -> None:
    after = Calibrated()
    arrays = after.fit(detector, healthy(800))
    made = build(
        "pump", detector, postprocessor=kinds.component(after), features=some_windows(4), arrays=arrays,
        training=RANGE, examples=golden_inputs(4),
    )  # fmt: skip
    assert is_fitted(made.detector())
    assert len(np.unique(made.arrays["golden/scores"])) > 50

    def scored(vectors: Floats) -> Floats:
        return kinds.score(made.detector(), made.postprocessor(), made.arrays, vectors)

    golden.check_fitted(scored, made.arrays, 4)


def test_golden_inputs_are_the_same_for_ever() -> None:
    """Integers and exact steps alone: a digest in a bundle may hang on them."""
    found = golden_inputs(3)
    assert found.shape == (400, 3)
    assert np.isnan(found).sum() == 1
    assert float(found[0, 0]).hex() == "0x1.f9cd4f9c58490p-3"
    assert abs(float(np.nanmean(found[:100, 0]))) < 0.2


@pytest.mark.parametrize(("kind", "one"), [*KINDS, *POSTPROCESSORS.items()])
def test_examples_run_and_parameters_have_meanings(kind: str, one: Any) -> None:
    module = sys.modules[one.__module__]
    assert "Source" in one.__doc__
    example = doctest.DocTestParser().get_doctest(one.__doc__, vars(module), kind, module.__file__, 0)
    assert [each for each in example.examples if each.want]
    assert doctest.DocTestRunner(verbose=False).run(example).failed == 0
    assert [name for name, field in one.model_fields.items() if not field.description] == []
