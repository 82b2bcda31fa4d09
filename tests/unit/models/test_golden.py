"""Golden vectors and feature sets: what is hashed today has the same hash tomorrow."""

import numpy as np

from contracts.identity import digest
from models.detectors import DETECTORS
from models.environment import Environment
from models.features import Identity
from models.golden import inputs, make, scores


def test_the_golden_series_never_changes() -> None:
    times, values = inputs(400)
    assert digest(times.tobytes(), values.tobytes()) == "4d2cfd3ec3bedea2bbb4538938b1661b"
    assert times[1] - times[0] == 1_000_000_000


def test_the_golden_series_looks_like_a_sensor_with_a_spike_and_a_step() -> None:
    values = inputs(400)[1]
    calm = values[:250]
    assert np.allclose(calm.mean(axis=0), [20, 40], atol=0.3)
    assert (calm.std(axis=0) > 0.3).all()
    assert (values[250] > calm.max(axis=0) + 20).all()
    assert not np.array_equal(values[:, 0] + 20, values[:, 1])


def test_every_detector_has_golden_vectors_that_it_repeats() -> None:
    for kind, detector in DETECTORS.items():
        arrays = make(detector())
        again = scores(detector(), arrays["golden/times"], arrays["golden/values"])
        assert np.array_equal(again.view(np.int64), arrays["golden/scores"].view(np.int64)), kind


def test_hash_of_the_identity_feature_set_never_changes() -> None:
    assert Identity().hash == "19229ff78a7201ac2a6d940ba9468961"


def test_environment_names_what_differs_and_nothing_else() -> None:
    one = Environment(python="3.11", packages={"numpy": "2.4.6", "scipy": "1.17.1"})
    two = Environment(python="3.11", packages={"numpy": "2.4.7", "torch": "3.0"})
    assert one.differences(one) == []
    assert one.differences(two) == [
        "numpy was 2.4.6, here it is 2.4.7",
        "scipy was 1.17.1, here it is absent",
        "torch was absent, here it is 3.0",
    ]
    assert one.hash != two.hash


def test_environment_of_this_process_is_complete() -> None:
    here = Environment.current()
    assert here.packages["numpy"] == np.__version__
    assert sorted(here.packages) == ["numpy", "scipy"]
    assert here.hash == Environment.current().hash
