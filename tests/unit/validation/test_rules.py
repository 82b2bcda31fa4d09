"""Rules: the first that says it holds, and rules that cannot be meant are refused before anything starts."""

import pytest
from pydantic import ValidationError

from agents.validation import Rule, Validation
from contracts.readings import Verdict
from tests.unit.validation.made import readings, run


def test_per_field_the_first_rule_that_states_it_holds() -> None:
    """The special rule gives the maximum, the general one the minimum."""
    rules = (Rule(match="p/t", max=10), Rule(match="p/*", min=0, stuck_after=5), Rule(match="q/*", max=5))
    batch = readings([("p/t", 0, 9.0), ("p/t", 1, 11.0), ("p/t", 2, -1.0), ("p/u", 3, 11.0), ("q/t", 4, 9.0)])
    out = Verdict.OUT_OF_RANGE
    assert run(Validation(rules=rules), [batch]).verdicts == [0, out, out, 0, out]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"match": "p/t", "min": 5, "max": 1}, "min 5 is above max 1"),
        ({"match": "pump"}, "must be asset/channel"),
        ({"match": "a/b/c"}, "must be asset/channel"),
        ({"match": "/t"}, "must be asset/channel"),
        ({"match": "p/t", "min": float("nan")}, "finite number"),
        ({"match": "p/t", "max": float("inf")}, "finite number"),
        ({"match": "p/t", "max_per_s": 0}, "greater than 0"),
        ({"match": "p/t", "stuck": "reject"}, "needs stuck_after"),
        ({"match": "p/t", "stuck_after": 1}, "greater than or equal to 2"),
        ({"match": "p/t", "maximum": 3}, "Extra inputs"),
    ],
)
def test_impossible_rules_are_refused(rule: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Validation.model_validate({"rules": [rule]})


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([Rule(match="*/*", max=5), Rule(match="p/t", max=9)], r"rule 2 \(p/t\) sets max, but rule 1 \(\*/\*\)"),
        ([Rule(match="p/t", max=5), Rule(match="p/t", max=9)], "rule 2 .* comes first"),
        ([Rule(match="p-?/*", max=5), Rule(match="p-1/t", max=9)], "rule 2 .* comes first"),
        ([Rule(match="p/t", min=9), Rule(match="p/*", max=5)], "together allow no value: min 9 is above max 5"),
    ],
)
def test_rules_that_contradict_each_other_are_refused(rules: list[Rule], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Validation(rules=tuple(rules))


@pytest.mark.parametrize(
    "rules",
    [
        [Rule(match="p/t", max=9), Rule(match="*/*", max=5)],
        [Rule(match="a?/x", max=9), Rule(match="a*/x", max=5)],
        [Rule(match="p/*", max=5), Rule(match="*/t", max=9)],
        [Rule(match="p/t", min=9, max=10), Rule(match="p/*", min=0, max=5)],
    ],
)
def test_rules_that_only_overlap_are_fine(rules: list[Rule]) -> None:
    assert Validation(rules=tuple(rules)).rules == tuple(rules)


def test_rejecting_unknown_series_without_rules_is_refused() -> None:
    with pytest.raises(ValidationError, match="would reject every reading"):
        Validation(unknown="reject")
