"""Bundles of detectors that were fitted: state, features and postprocessor come together, or not at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import BaseModel

from contracts.errors import BundleRefused
from models import features, kinds
from models.arrays import packed
from models.bundle import Bundle, build, is_fitted, opened, read, write
from models.cache import BundleCache
from models.features import FeatureSet
from models.files import ARRAYS, DIGESTS, MANIFEST, canonical, listing
from models.kinds import Bare, component
from models.manifest import Component, TrainedOn
from models.trained import TRAINED, Calibrated, golden_inputs
from tests.unit.models.test_bundle import Pair, Toy

BARE = Component(kind="none")
RANGE = TrainedOn(stream="readings.accepted", partitions={"0": (1, 9)}, since=0, until=8, readings=9, digest="d")
Arrays = dict[str, NDArray[Any]]


class Distance(BaseModel, frozen=True, extra="forbid"):
    """Distance from the centre of the training."""

    kind: ClassVar[str] = "distance"
    power: float = 1.0

    def score(self, arrays: Arrays, features: NDArray[np.float64]) -> NDArray[np.float64]:
        away: NDArray[np.float64] = np.abs(features - arrays["state/centre"]).sum(axis=1)
        return away / (away + self.power)


class Halved(BaseModel, frozen=True, extra="forbid"):
    """Scales by an array of its own, and halves."""

    kind: ClassVar[str] = "halved"

    def scale(self, arrays: Arrays, features: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled: NDArray[np.float64] = features / arrays["state/scale"]
        return scaled

    def calibrate(self, arrays: Arrays, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        return raw / 2


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(features.FEATURE_SETS, "pair", Pair)
    detectors: dict[str, type[BaseModel]] = {"distance": Distance, "toy": Toy}
    postprocessors: dict[str, type[BaseModel]] = {"none": Bare, "halved": Halved}
    monkeypatch.setattr(kinds, "detectors", lambda: detectors)
    monkeypatch.setattr(kinds, "postprocessors", lambda: postprocessors)


def state() -> Arrays:
    return {"state/centre": np.array([1.0, 2.0]), "state/scale": np.array([1.0, 4.0])}


def fitted(after: Component = BARE, arrays: Arrays | None = None, pair: FeatureSet | None = None) -> Bundle:
    own = state() if arrays is None else arrays
    return build("pump", Distance(), postprocessor=after, features=pair or Pair(), arrays=own, training=RANGE)


def rewritten(bundle: Bundle, folder: Path, change: Callable[[dict[str, Any], Arrays], Any]) -> BundleRefused:
    """The bundle with other content and digests that fit, refused."""
    from safetensors.numpy import save

    tree, arrays = json.loads(bundle.files[MANIFEST]), dict(bundle.arrays)
    change(tree, arrays)
    content = {MANIFEST: canonical(tree), ARRAYS: save(arrays)}
    folder.mkdir()
    for name, data in (content | {DIGESTS: listing(content)}).items():
        (folder / name).write_bytes(data)
    with pytest.raises(BundleRefused) as caught:
        read(folder)
    return caught.value


def test_a_fitted_bundle_is_read_back_with_its_state_and_scores_the_same(tmp_path: Path) -> None:
    made = fitted(component(Halved()))
    write(made, tmp_path / "b")
    found = read(tmp_path / "b", digest=made.digest, features=Pair())
    assert is_fitted(found.detector())
    assert not is_fitted(Toy())
    assert found.manifest.state == ("state/centre", "state/scale") == tuple(found.state)
    inputs = golden_inputs(2)
    assert found.manifest.golden.readings == len(inputs)
    scores = kinds.score(found.detector(), found.postprocessor(), found.arrays, inputs)
    assert np.array_equal(scores, found.arrays["golden/scores"], equal_nan=True)
    assert len(np.unique(scores)) > 100


def test_its_golden_vectors_go_through_scaling_and_calibration() -> None:
    bare, whole = fitted(), fitted(component(Halved()))
    assert not np.array_equal(bare.arrays["golden/scores"], whole.arrays["golden/scores"])
    by_hand = Distance().score(state(), golden_inputs(2) / state()["state/scale"]) / 2
    assert np.array_equal(whole.arrays["golden/scores"], by_hand, equal_nan=True)


def test_vectors_of_the_training_can_be_the_golden_ones() -> None:
    examples = np.array([[1.0, 2.0], [3.0, 4.0]])
    made = build("pump", Distance(), postprocessor=BARE, features=Pair(), arrays=state(), examples=examples)
    assert np.array_equal(made.arrays["golden/inputs"], examples)
    assert made.manifest.golden.readings == 2
    with pytest.raises(ValueError, match=r"shape \(2, 1\), the feature set has 2 features"):
        build("pump", Distance(), postprocessor=BARE, features=Pair(), arrays=state(), examples=examples[:, :1])


def test_a_state_that_is_missing_is_refused_at_the_build() -> None:
    with pytest.raises(BundleRefused, match="state/centre") as caught:
        fitted(arrays={})
    assert caught.value.kind == "state"


def test_a_postprocessor_that_is_not_known_is_refused() -> None:
    with pytest.raises(BundleRefused, match="postprocessor 'wish' is not known") as caught:
        fitted(Component(kind="wish"))
    assert caught.value.kind == "postprocessor"


def test_what_does_not_fit_together_is_refused_each_for_its_own_cause(tmp_path: Path) -> None:
    made = fitted(component(Halved()))
    cases: dict[tuple[str, str], Callable[[dict[str, Any], Arrays], Any]] = {
        ("state: state/centre is missing", "state"): lambda m, a: a.pop("state/centre"),
        ("state: state/more is there", "state"): lambda m, a: a.update({"state/more": np.zeros(1)}),
        ("drift reference: reference/x is there", "reference"): lambda m, a: a.update({"reference/x": np.zeros(1)}),
        ("arrays.safetensors holds spare", "arrays"): lambda m, a: a.update({"spare": np.zeros(1)}),
        ("golden vectors: golden/inputs is missing", "golden vectors"): lambda m, a: a.pop("golden/inputs"),
        ("golden vectors: they cannot be scored", "golden vectors"): lambda m, a: a.update(
            {"state/centre": np.zeros(3)}
        ),
        ("golden vectors differ in 399 of", "golden vectors"): lambda m, a: a.update({"state/centre": np.zeros(2)}),
        ("golden vectors: their shapes", "golden vectors"): lambda m, a: a.update({"golden/inputs": np.zeros((4, 3))}),
        ("golden vectors: 400 readings", "golden vectors"): lambda m, a: m["golden"].update(readings=3),
        ("postprocessor 'halved' was revision 2", "revision"): lambda m, a: m["postprocessor"].update(revision=2),
        ("feature order", "feature order"): lambda m, a: m["features"].update(names=["slope", "value"]),
    }
    for number, ((words, kind), change) in enumerate(cases.items()):
        error = rewritten(made, tmp_path / str(number), change)
        message = str(error).removeprefix(f"bundle {tmp_path / str(number)}: ")
        assert message.startswith(words), (words, message)
        assert error.kind == kind


def test_another_postprocessor_under_the_same_detector_is_noticed(tmp_path: Path) -> None:
    made = fitted(component(Halved()))
    error = rewritten(made, tmp_path / "b", lambda m, a: m.update(postprocessor=BARE.model_dump()))
    assert error.kind == "golden vectors"


def test_arrays_are_the_same_bytes_whatever_their_layout() -> None:
    plain, other = state(), state()
    other["state/scale"] = np.array([1.0, 9.0, 4.0, 9.0])[::2].astype(">f8")
    assert fitted(arrays=plain).digest == fitted(arrays=other).digest


def test_a_streaming_detector_may_bring_a_state(tmp_path: Path) -> None:
    made = build("pump", Toy(), postprocessor=BARE, arrays={"state/last": np.arange(3.0)}, training=RANGE)
    write(made, tmp_path / "b")
    found = read(tmp_path / "b")
    assert np.array_equal(found.state["state/last"], np.arange(3.0))
    assert found.manifest.training == RANGE


def test_a_real_detector_with_its_calibration_goes_through_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    train = golden_inputs(1)[:300]
    for kind, detector in TRAINED.items():
        after = Calibrated(alarms_per_10000=50)
        fit = after.fit(detector(), train)
        made = build("pump", detector(), postprocessor=component(after), arrays=fit, training=RANGE, examples=train)
        cache = BundleCache(tmp_path)
        cache.put(made)
        found = cache.get(made.digest)
        assert found.manifest.detector.kind == kind
        assert found.manifest.golden.readings == 300
        scores = kinds.score(found.detector(), found.postprocessor(), found.state, train)
        assert np.array_equal(scores, made.arrays["golden/scores"])
        # Too much state is refused as well as too little.
        with pytest.raises(BundleRefused) as caught:
            opened_with(made, {name: array for name, array in fit.items() if name != "state/knots"})
        assert caught.value.kind == "state"


def opened_with(made: Bundle, state: Arrays) -> Bundle:
    golden = {name: array for name, array in made.arrays.items() if name.startswith("golden/")}
    return opened({**made.files, ARRAYS: packed(state | golden)})
