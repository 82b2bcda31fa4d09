"""Inhibition: while one alert fires, others that follow from it are not told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.routes import InhibitRule

from .matching import Matcher, is_label, matches, parse_all


@dataclass(frozen=True)
class Rule:
    """One rule, ready to be asked."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]

    def values(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """What source and target must have in common; a missing label is the empty text."""
        return tuple(labels.get(name, "") for name in self.equal)


@dataclass
class InhibitionState:
    """How many alerts fire that inhibit others; counted, so that a storm of them costs no more than one."""

    counts: dict[tuple[Any, ...], list[int]] = field(default_factory=dict)
    """rule, equal values -> firing sources, and those among them that are no targets themselves"""
    sources: dict[str, list[list[Any]]] = field(default_factory=dict)
    """firing alert -> rule, whether it is a target as well, equal values"""


def rules_of(configured: Sequence[InhibitRule], problems: list[str]) -> tuple[Rule, ...]:
    """The rules of a configuration; what is wrong is added to ``problems``."""
    rules = []
    for at, rule in enumerate(configured):
        place = f"inhibit_rules[{at}]"
        problems.extend(f"{place}.equal: {name!r} is no label" for name in rule.equal if not is_label(name))
        found = []
        for side, texts in (("source_matchers", rule.source_matchers), ("target_matchers", rule.target_matchers)):
            try:
                found.append(parse_all(texts))
            except ValueError as error:
                problems.append(f"{place}.{side}: {error}")
                found.append(())
        rules.append(Rule(found[0], found[1], tuple(dict.fromkeys(rule.equal))))
    return tuple(rules)


def note(rules: Sequence[Rule], state: InhibitionState, alert: str, labels: Mapping[str, str], firing: bool) -> None:
    """Take in how an alert is now, before it is asked for others."""
    for number, both, *shared in state.sources.pop(alert, ()):
        _count(state, (number, *shared), -1, both)
    if not firing:
        return
    marks: list[list[Any]] = []
    for number, rule in enumerate(rules):
        if matches(rule.source, labels):
            both = matches(rule.target, labels)
            values = rule.values(labels)
            _count(state, (number, *values), 1, both)
            marks.append([number, both, *values])
    if marks:
        state.sources[alert] = marks


def inhibited(rules: Sequence[Rule], state: InhibitionState, labels: Mapping[str, str]) -> bool:
    """Whether an alert with these labels is not told because of another one.

    An alert that is source and target of a rule is not inhibited by such alerts: neither by itself nor by its likes.
    """
    if not state.counts:
        return False
    for number, rule in enumerate(rules):
        if not matches(rule.target, labels):
            continue
        every, one_sided = state.counts.get((number, *rule.values(labels)), (0, 0))
        if one_sided if matches(rule.source, labels) else every:
            return True
    return False


def _count(state: InhibitionState, key: tuple[Any, ...], change: int, both: bool) -> None:
    counts = state.counts.setdefault(key, [0, 0])
    counts[0] += change
    if not both:
        counts[1] += change
    if not counts[0]:
        del state.counts[key]
