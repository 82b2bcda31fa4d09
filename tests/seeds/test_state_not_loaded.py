"""A model's state is saved beside it, and at the start its path is missing or nobody loads it: the detector begins
anew. It serves under the right version, and knows nothing of what it was trained on.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.serving.scorer import Streaming, scorer
from contracts.errors import BundleRefused
from contracts.events import ReadingsScored
from contracts.readings import Readings
from tests.unit.anomaly.bundles import anomaly, made, readings, told
from tests.unit.serving.fitted import warm

PAST, NOW = readings(1_200), readings(1_200, begin=1_200)


def scores(folder: Path, digest: str, *given: Readings) -> list[float]:
    """Of the last readings."""
    part = anomaly(folder, bundle_digest=digest, scores=True)
    found = [event.readings.value for event in told(part, list(given)) if isinstance(event, ReadingsScored)]
    return [float(value) for value in found[-1]]


def check_loaded(folder: Path) -> None:
    trained = scores(folder, made(folder, "mad").digest, PAST, NOW)
    assert any(trained)
    assert scores(folder, warm(folder, PAST).digest, NOW) == trained, "knows nothing of its training"


def check_missing(folder: Path) -> None:
    for name in ("state/names", "state/seen"):
        bundle = warm(folder, PAST)
        assert name in bundle.state, f"the detector has no {name} any more: another has to be left out"
        cause, gone = "", dict[str, Any]({name: None})
        try:
            scorer(warm(folder, PAST, **gone))
        except BundleRefused as refused:
            cause = refused.kind
        assert cause == "state", "served without its state"


def _forgetful(self: Streaming, memory: Any, names: dict[str, int]) -> None:
    self.model.grow(memory, len(names))


def _lenient(self: Streaming, names: Any) -> dict[str, int]:
    return {}


Check = Callable[[Path], None]


@pytest.mark.parametrize("check", [check_loaded, check_missing])
def test_a_state_is_loaded_or_the_bundle_refused(check: Check, tmp_path: Path) -> None:
    check(tmp_path)


@pytest.mark.parametrize(
    ("check", "name", "mutant", "says"),
    [
        (check_loaded, "_grow", _forgetful, "knows nothing"),
        (check_missing, "_known", _lenient, "without its state"),
    ],
)
def test_a_loader_that_takes_what_it_gets_begins_anew(
    check: Check, name: str, mutant: Any, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Streaming, name, mutant)
    with pytest.raises(AssertionError, match=says):
        check(tmp_path)
