"""Where the evidence of an alert begins."""

import numpy as np
import pytest

from agents.anomaly.state import BLOCK, AnomalyState
from agents.numbering import Ints, ranks
from agents.serving.slots import Slot


def begins(rows: Ints, ordinals: Ints, cut: int) -> Ints:
    """Where the evidence of each reading begins, the readings cut into batches of ``cut``."""
    state = AnomalyState(Slot("", None), {str(number): number for number in range(int(rows.max()) + 1)})
    state.make_room()
    batches = [(rows[i : i + cut], ordinals[i : i + cut]) for i in range(0, len(rows), cut)]
    return np.concatenate([state.count(some, ranks(some), at) for some, at in batches])


@pytest.mark.parametrize("cut", [1, 13, 64, 500, 10_000])
def test_evidence_begins_with_the_block_before(cut: int) -> None:
    """With the first reading of the series' block before the one of the alert; in the first block, with its own."""
    rng = np.random.default_rng(cut)
    rows, ordinals = rng.integers(0, 7, 2_000), np.cumsum(rng.integers(1, 4, 2_000))
    found = begins(rows, ordinals, cut)
    for row in range(7):
        own = ordinals[rows == row]
        first = [own[max(number // BLOCK - 1, 0) * BLOCK] for number in range(len(own))]
        assert found[rows == row].tolist() == first
