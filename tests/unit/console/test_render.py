"""Lines that people read."""

import pytest

from console.render import span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (3_600, "1 h"), (381_600, "4 d 10 h"), (3_661, "1 h 1 min"), (86_401, "1 d 1 s")],
)
def test_a_length_of_time_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text
