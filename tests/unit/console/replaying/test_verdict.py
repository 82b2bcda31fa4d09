"""What a comparison came to, as people read it."""

from typing import Any

import pytest

from console.replaying.verdict import verdict


def result(recorded: int = 10, now: int = 10, *, identical: bool = False, **types: tuple[int, int, int, int]) -> Any:
    words = ("missing", "extra", "moved", "changed")
    told = {name: dict(zip(words, counts, strict=True)) for name, counts in types.items()}
    total = sum(map(sum, types.values()))
    return {"recorded": recorded, "now": now, "identical": identical, "differences": total, "types": told}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (result(12_345, 12_345, identical=True), "identical, byte for byte: 12,345 events"),
        (result(0, 0, identical=True), "nothing was said of that time, and nothing is"),
        (result(5, 5), "the same 5 events in another order"),
        (result(AnomalyDetected=(3, 5, 2, 0)), "3 anomalies vanish, 5 appear, 2 move"),
        (result(AnomalyDetected=(1, 0, 0, 0)), "1 anomaly vanishes"),
        (result(DriftDetected=(0, 1, 0, 2)), "1 drift appears, 2 change"),
        (
            result(NotificationDue=(1, 0, 0, 0), AnomalyCleared=(1, 0, 1, 0), AnomalyDetected=(0, 0, 1, 0)),
            "1 anomaly moves; 2 other events vanish, 1 moves",
        ),
    ],
)
def test_words(told: Any, words: str) -> None:
    assert verdict(told) == words
