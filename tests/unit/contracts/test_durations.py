"""Lengths of time are read as Alertmanager's."""

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.durations import Duration

ADAPTER: TypeAdapter[float] = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30), ("1h30m", 5_400), ("2d", 172_800), ("1w", 604_800), ("1y", 31_536_000), ("500ms", 0.5),
        ("1m500ms", 60.5), ("0", 0), ("0s", 0), (90, 90), (0.5, 0.5),
    ],
)  # fmt: skip
def test_a_text_is_so_many_seconds(text: str | float, seconds: float) -> None:
    assert ADAPTER.validate_python(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "30", "s", "1 h", "-1s", "1.5h", "1h ", "٣s", "1e3s", "9" * 30 + "y", "1s" * 40, -1, float("nan"), None],
)
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(text)
