"""Silences: nobody is told of alerts that match, between two times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from .matching import Matcher, matches, parse_all


@dataclass
class SilencesState:
    """The silences that have not ended."""

    known: dict[str, list[Any]] = field(default_factory=dict)
    """id -> matchers as texts, begin, end (wall clock, ns)"""


def check(matchers: Sequence[str]) -> tuple[Matcher, ...]:
    """The matchers of a silence.

    Raises ValueError where they are none, or where all of them fit labels that are missing: such a silence is usually
    a mistake, and it silences everything.
    """
    found = _parsed(tuple(matchers))
    if matches(found, {}):
        raise ValueError("at least one matcher must not fit the empty text: such a silence would take in everything")
    return found


def put(state: SilencesState, silence: str, matchers: Sequence[str], begins: int, ends: int) -> bool:
    """Add a silence, or give one that is known other times. False, and nothing is done, where its matchers are none."""
    try:
        check(matchers)
    except ValueError:
        # It stands in the log already: who wrote it did not check.
        return False
    state.known[silence] = [list(matchers), begins, ends]
    return True


def end(state: SilencesState, silence: str) -> bool:
    """End a silence now; whether there was one."""
    return state.known.pop(silence, None) is not None


def forget(state: SilencesState, at: int) -> list[str]:
    """Drop those that have ended; their ids."""
    over = [silence for silence, (_, _, ends) in state.known.items() if ends <= at]
    for silence in over:
        del state.known[silence]
    return over


def active(state: SilencesState, at: int) -> list[tuple[str, tuple[Matcher, ...]]]:
    """The silences at a time: id and matchers. A begin belongs to a silence, its end does not."""
    return [
        (silence, _parsed(tuple(matchers)))
        for silence, (matchers, begins, ends) in state.known.items()
        if begins <= at < ends
    ]


class Index:
    """Active silences, by a value that one of their matchers names: few of them are asked about an alert."""

    def __init__(self, active: Sequence[tuple[str, tuple[Matcher, ...]]]) -> None:
        self._by_value: dict[tuple[str, str], list[tuple[Matcher, ...]]] = {}
        self._others: list[tuple[Matcher, ...]] = []
        for _, matchers in active:
            named = next((one for one in matchers if one.operator == "=" and one.value), None)
            known = self._others if named is None else self._by_value.setdefault((named.label, named.value), [])
            known.append(matchers)

    def __bool__(self) -> bool:
        return bool(self._by_value or self._others)

    def silences(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels is under one of them."""
        return any(matches(matchers, labels) for matchers in self._others) or any(
            matches(matchers, labels) for item in labels.items() for matchers in self._by_value.get(item, ())
        )


def silencing(state: SilencesState, labels: Mapping[str, str], at: int) -> list[str]:
    """The ids of the silences that an alert is under."""
    return [silence for silence, matchers in active(state, at) if matches(matchers, labels)]


def next_change(state: SilencesState, at: int) -> int | None:
    """When a silence begins or ends next, after ``at``; None: nothing is planned."""
    return min((time for _, *times in state.known.values() for time in times if time > at), default=None)


@lru_cache(maxsize=4_096)
def _parsed(texts: tuple[str, ...]) -> tuple[Matcher, ...]:
    return parse_all(texts)
