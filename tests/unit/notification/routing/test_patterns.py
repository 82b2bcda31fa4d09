"""Expressions end in time, or are refused when they are read."""

import pytest

from agents.notification.routing.patterns import MOST_VALUE, Pattern


@pytest.mark.parametrize(
    "text",
    [
        "(a+)+", "(a*)*b", "(.*a){20}", "(a|aa)+", "((a{0,50}){0,50})x", ".*.*.*.*x", "(a|a)*b", "(x+x+)+y",
        "(.*)*", "([a-z]+)*", "(a?){60}b", "(?:a|b|ab)*c", ".*a.*b.*c.*d",
    ],
)  # fmt: skip
def test_what_could_take_long_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="could take too long"):
        Pattern(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (r"(a)\1", "a reference"), ("(?=a)", "a look"), ("(?<!a)b", "a look"), ("(a)?(?(1)b|c)", "a condition"),
        ("(", "no expression"), ("a{2,1}", "no expression"), ("[", "no expression"), ("x" * 600, "more than 512"),
        ("(" * 200 + ")" * 200 + "(", "no expression"),
    ],
)  # fmt: skip
def test_what_re2_does_not_have_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Pattern(text)


@pytest.mark.parametrize(
    ("text", "value", "fits"),
    [
        ("pump-[0-9]+", "pump-17", True),
        ("pump-[0-9]+", "pump-", False),
        ("(pump|fan)-.*", "fan-1", True),
        (".*temp.*|.*heat.*", "the heat is on", True),
        ("a.*b.*c", "a-b-c", True),
        ("line1.line2", "line1\nline2", False),
        ("(?s)line1.line2", "line1\nline2", True),
        ("Kühler-\\w+", "Kühler-süd", True),
        ("a", "a\n", False),
        ("(?:[0-9]{1,3}\\.){3}[0-9]{1,3}", "10.0.0.1", True),
        ("", "", True),
    ],
)
def test_what_people_write_is_taken(text: str, value: str, fits: bool) -> None:
    assert Pattern(text).matches(value) is fits


def test_the_worst_that_is_taken_ends() -> None:
    # Three repeats in a row, and a value that fits them in every way but at its end.
    assert not Pattern(".*a.*a.*a").matches("a" * (MOST_VALUE - 1) + "b" + "a" * 100_000)


def test_of_a_long_value_the_beginning_counts() -> None:
    assert Pattern("a+").matches("a" * MOST_VALUE + "b")
