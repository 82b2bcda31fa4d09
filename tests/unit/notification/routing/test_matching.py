"""Matchers are read and asked as Alertmanager does."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.notification.routing.matching import ASKED_WAYS, braced, matches, parse, parse_all

LABELS = {"asset": "pump-1", "severity": "critical", "empty": ""}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ('asset="pump-1"', True),
        ("asset=pump-1", True),
        ("asset=pump", False),
        ('asset!="pump-1"', False),
        ('asset!="fan"', True),
        ('asset=~"pump"', False),
        ('asset=~"pump-.*"', True),
        ('asset=~"fan|pump-1"', True),
        ('asset=~"fan|pump"', False),
        ('asset!~"pump-.*"', False),
        ('asset!~"pump"', True),
        ('nothing=""', True),
        ('nothing!=""', False),
        ('nothing=~".*"', True),
        ('nothing=~".+"', False),
        ('nothing!~".+"', True),
        ('empty=""', True),
        ('  asset =~ "(?i)PUMP-1" ', True),
        ("asset=~", False),
    ],
)
def test_a_matcher_fits_the_whole_value_and_a_missing_label_is_empty(text: str, fits: bool) -> None:
    assert parse(text).matches(LABELS) is fits


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'a="x\"y"', 'x"y'),
        (r'a="x\ny"', "x\ny"),
        (r'a="x\\y"', "x\\y"),
        (r'a="x\dy"', r"x\dy"),
        ("a=x\\", "x\\"),
        ('a="x, y"', "x, y"),
        ('a=""', ""),
        ("a=", ""),
        ('a==b"'.replace('"', ""), "=b"),
        ("a=é", "é"),
    ],
)
def test_quotes_and_escapes(text: str, value: str) -> None:
    assert parse(text).value == value


@pytest.mark.parametrize(
    "text",
    [
        "", "asset", '="x"', 'a b="x"', '1a="x"', 'a="x', 'a=x"', 'a="x"y"', 'a=~"("', 'a=~"(?=x)"', "a>1", "ä=1",
        "a=" + "x" * 2000,
    ],
)  # fmt: skip
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"matcher|quote|expression"):
        parse(text)


def test_one_text_may_hold_several_and_the_order_does_not_matter() -> None:
    together = parse_all(['{ severity="critical", asset=~"a,b|pump-.*", }'])
    assert braced(together) == '{asset=~"a,b|pump-.*",severity="critical"}'
    assert together == parse_all(['asset=~"a,b|pump-.*"', "severity=critical"])
    assert matches(together, LABELS)
    assert not matches(together, {"asset": "pump-1"})


def test_fifty_matchers_are_enough() -> None:
    assert len(parse_all(["a=b"] * 50)) == 50
    with pytest.raises(ValueError, match="more than 50"):
        parse_all(["a=b"] * 51)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=st.text(max_size=40), operator=st.sampled_from(["=", "!="]))
def test_what_is_written_is_read_again(value: str, operator: str) -> None:
    stripped = parse(f"a{operator}x").__class__("a", operator, value)  # type: ignore[arg-type] # one of the two
    assert parse(str(stripped)) == stripped


def test_of_what_somebody_asks_all_expressions_together_have_a_limit() -> None:
    usual = [f'asset=~".*{name}.*"' for name in ("pump", "fan", "north")]
    assert len(parse_all(usual, most_ways=ASKED_WAYS)) == 3
    with pytest.raises(ValueError, match="together could take too long"):
        parse_all(usual * 3, most_ways=ASKED_WAYS)
    assert len(parse_all(usual * 3)) == 9
