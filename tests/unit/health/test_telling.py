"""What of many looks is told."""

import pytest

from agents.health.finding import Health, State, broken, ill, skipped, well
from agents.health.telling import Telling

LOOKS: dict[str, Health] = {
    "w": well("disk", "f"),
    "i": ill("disk", "f", "d", "m"),
    "b": broken("disk", "f", "d", "m"),
    "-": skipped("disk", "f"),
}


def told(looks: str, before: dict[str, str] | None = None) -> str:
    """One letter per look: as it is looked at, where that is told, and a point where it is not."""
    telling = Telling(dict(before or {}))
    return "".join(look if telling.is_news(LOOKS[look]) else "." for look in looks)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ("wwww", "...."),
        ("iiii", ".i.."),
        ("iwiw", "...."),
        ("iiwwww", ".i.w.."),
        ("iibb", ".i.b"),
        ("ii--", ".i.."),
        ("i-i", "..i"),
    ],
)
def test_a_change_is_told_once_when_two_looks_in_a_row_see_it(looks: str, expected: str) -> None:
    assert told(looks) == expected


def test_what_was_told_before_this_process_is_not_told_again() -> None:
    state: State = "warning"
    assert told("iiww", {"disk": state}) == "...w"


def test_what_comes_and_goes_is_told_less_and_less_often() -> None:
    """Its end has to last twice as long each time; a day in which it came and went each two minutes tells few."""
    assert told("iiwwiiwwwwiiwwwwwwww") == ".i.w.i...w.i.......w"
    assert sum(look != "." for look in told("iiww" * 360)) <= 6
    assert sum(look != "." for look in told(("ii" + "w" * 40) * 20)) == 40, "long enough apart each is news"


def test_after_a_long_calm_an_end_is_told_soon_again() -> None:
    looks = "iiww" + "iiwwww" + "w" * 70 + "iiww"
    assert told(looks).endswith(".i.w")
