"""What a calibrated score means: how many readings like the training alarm."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.trained import TRAINED, Calibrated
from models.trained.isolation_forest import IsolationForest
from models.trained.mahalanobis import Mahalanobis
from tests.unit.trained.vectors import faulty, healthy


@pytest.mark.parametrize("kind", sorted(TRAINED))
@pytest.mark.parametrize("alarms", [10.0, 100.0, 500.0])
def test_as_many_alarm_as_it_says(kind: str, alarms: float) -> None:
    """On data that it has not seen: within a third of what it says, and what 20,000 vectors can tell."""
    detector, after = TRAINED[kind](), Calibrated(alarms_per_10000=alarms)
    arrays = after.recalibrated(detector, after.fit(detector, healthy(4000)), healthy(10_000, 3))
    score = after.judge(detector, arrays, healthy(20_000, 4)).score
    found = int((score >= after.threshold).sum())
    expected = alarms * 2
    noise = 4 * np.sqrt(expected * 3)
    assert abs(found - expected) <= expected / 3 + noise, f"{found} alarms, {expected:.0f} were said"


def test_a_score_says_how_rare_it_is() -> None:
    """A score s stands for a (1 - s) / s of the readings, a being what is stated."""
    after = Calibrated(alarms_per_10000=100)
    arrays = after.fit(Mahalanobis(), healthy(20_000))
    score = after.judge(Mahalanobis(), arrays, healthy(20_000, 4)).score
    for limit in (0.1, 0.3, 0.5, 0.7, 0.8):
        expected = 0.01 * (1 - limit) / limit
        assert (score >= limit).mean() == pytest.approx(expected, rel=0.35)


@pytest.mark.parametrize("kind", sorted(TRAINED))
@pytest.mark.parametrize(
    "given", [{}, {"scaling": "standard"}, {"scaling": "none"}, {"components": 2}, {"alarms_per_10000": 0.01}]
)
def test_scores_rise_with_the_raw_ones(kind: str, given: dict[str, Any]) -> None:
    detector, after = TRAINED[kind](), Calibrated(**given)
    arrays = after.fit(detector, healthy(1000))
    found = after.judge(detector, arrays, np.concatenate((healthy(300, 7), faulty(100), 50 * faulty(100))))
    order = np.argsort(found.raw, kind="stable")
    assert (np.diff(found.score[order]) >= 0).all()
    assert 0 < found.score.min() < 0.3
    assert found.score.max() <= 1


def test_beyond_the_training_scores_go_on_rising() -> None:
    after = Calibrated(alarms_per_10000=0.1)
    arrays = after.fit(Mahalanobis(), healthy(1000))
    raw = np.linspace(0, 40 * float(arrays["state/knots"][-1]), 20_000)
    score = after.calibrate(arrays, raw)
    assert (np.diff(score[score < 1 - 1e-12]) > 0).all()
    assert (np.abs(np.diff(score)) < 0.05).all(), "no jumps"
    assert after.calibrate(arrays, np.array([np.inf, np.nan, -np.inf])).tolist() == pytest.approx(
        [1, 0, 1e-5], rel=1e-4
    )


def test_absent_features_score_nothing() -> None:
    vectors = healthy(10)
    vectors[4, 1] = np.nan
    after = Calibrated()
    arrays = after.fit(Mahalanobis(), healthy(500))
    found = after.judge(Mahalanobis(), arrays, vectors)
    assert found.score[4] == 0
    assert np.isnan(found.raw[4])
    assert not after.shares(Mahalanobis(), arrays, vectors)[4].any()


def test_a_fit_leaves_incomplete_vectors_out() -> None:
    vectors = healthy(600)
    holes = np.insert(vectors, 100, np.nan, axis=0)
    after = Calibrated()
    one, other = (after.fit(Mahalanobis(), each) for each in (vectors, holes))
    assert {name: array.tobytes() for name, array in one.items()} == {n: a.tobytes() for n, a in other.items()}
    with pytest.raises(ValueError, match="too few"):
        after.fit(Mahalanobis(), np.full((600, 4), np.nan))


def test_shares_of_components_go_to_their_features() -> None:
    after = Calibrated(components=3)
    arrays = after.fit(Mahalanobis(), healthy(1000))
    vectors = healthy(20, 5)
    vectors[:, 2] += 60
    shares = after.shares(Mahalanobis(), arrays, vectors)
    assert shares.shape == (20, 4)
    assert np.allclose(shares.sum(axis=1), 1)
    assert (shares.argmax(axis=1) == 2).all()


def test_more_components_than_features_are_refused() -> None:
    with pytest.raises(ValueError, match="5 components of 4 features"):
        Calibrated(components=5).fit(Mahalanobis(), healthy(100))
    with pytest.raises(ValidationError):
        Calibrated(alarms_per_10000=0)


def test_units_of_features_do_not_matter() -> None:
    """Each feature in another unit: the same vectors alarm."""
    units, shift = np.array([1e-6, 1e6, 3.0, 1.0]), np.array([5.0, -1e9, 0.0, 0.0])
    after, detector = Calibrated(), Mahalanobis()
    vectors = np.concatenate((healthy(500, 8), faulty(100)))
    one = after.judge(detector, after.fit(detector, healthy(1000)), vectors)
    other = after.judge(detector, after.fit(detector, healthy(1000) * units + shift), vectors * units + shift)
    assert np.allclose(one.score, other.score, rtol=1e-3)


def test_faults_in_the_training_do_not_hide_others() -> None:
    """A tenth of the training is faulty: the robust covariance still sees such faults, the plain one hardly does."""
    dirty = np.concatenate((healthy(900), faulty(100, 3) * 3))
    seen = {}
    for covariance in ("robust", "shrunk"):
        detector = Mahalanobis(covariance=covariance)
        arrays = detector.fit(dirty)
        usual = np.quantile(detector.score(arrays, healthy(1000, 5)), 0.99)
        seen[covariance] = float((detector.score(arrays, faulty(500)) > usual).mean())
    assert seen["robust"] > 0.99
    assert seen["robust"] > seen["shrunk"]


def test_the_seed_of_a_forest_is_a_parameter() -> None:
    vectors = healthy(300)
    one, same, other = (IsolationForest(seed=seed).fit(vectors)["state/place"].tobytes() for seed in (1, 1, 2))
    assert one == same != other


def test_a_vector_on_a_cut_goes_where_the_training_went() -> None:
    """Above a cut is what is not below it, as when the tree was grown; walked node by node."""
    detector, train = IsolationForest(trees=5, sample=64), np.floor(healthy(300) * 4)
    arrays = detector.fit(train)
    places = np.unique(arrays["state/place"])
    vectors = np.stack([np.roll(places, shift) for shift in range(4)], axis=1)
    for vector, raw in zip(vectors, detector.score(arrays, vectors), strict=True):
        lengths = []
        for tree in range(5):
            node = 0
            while (by := int(arrays["state/feature"][tree, node])) >= 0:
                node = 2 * node + (1 if vector[by] < arrays["state/place"][tree, node] else 2)
            lengths.append(float(arrays["state/length"][tree, node]))
        assert raw == pytest.approx(-sum(lengths) / 5 / float(arrays["state/usual"][0]), rel=1e-12)
