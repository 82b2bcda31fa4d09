"""A model is replaced by another version while what the old one knew of each series goes on, because it fits. The new
one reads it as its own, and its scores are those of neither.
"""

from pathlib import Path
from typing import Any

import pytest

from agents.anomaly import swapping
from agents.serving.slots import Slot
from contracts.events import ReadingsScored
from tests.unit.anomaly.bundles import anomaly, made, readings, served, told

PAST, NOW = readings(1_200), readings(1_200, begin=1_200)


def check(folder: Path) -> None:
    """From the swap on the scores are those of the new bundle alone, as it begins."""
    first, second = made(folder, "ewma").digest, made(folder, "ewma", weight=0.3).digest
    part = anomaly(folder, bundle_digest=first, scores=True)
    swapped = [event for event in told(part, [PAST, served(second), NOW]) if isinstance(event, ReadingsScored)]
    alone = anomaly(folder, bundle_digest=second, scores=True)
    (expected,) = [event for event in told(alone, [NOW]) if isinstance(event, ReadingsScored)]
    assert expected.readings.value.any()
    assert swapped[-1].readings.value.tolist() == expected.readings.value.tolist(), "scores of neither model"


def test_a_new_bundle_begins_with_what_it_brings(tmp_path: Path) -> None:
    check(tmp_path)


def test_a_state_that_goes_on_under_another_model_gives_scores_of_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swapped = swapping.swapped

    def careless(part: Any, event: Any, state: Any) -> Any:
        memory = state.champion.memory
        yield from swapped(part, event, state)
        state.champion = Slot(event.bundle, memory, served=True)

    monkeypatch.setattr("agents.anomaly.anomaly.swapped", careless)
    with pytest.raises(AssertionError, match="of neither model"):
        check(tmp_path)
