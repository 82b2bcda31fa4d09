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


def silencing(state: SilencesState, labels: Mapping[str, str], at: int) -> list[str]:
    """The ids of the silences that an alert is under."""
    return [silence for silence, matchers in active(state, at) if matches(matchers, labels)]


def next_change(state: SilencesState, at: int) -> int | None:
    """When a silence begins or ends next, after ``at``; None: nothing is planned."""
    return min((time for _, *times in state.known.values() for time in times if time > at), default=None)


@lru_cache(maxsize=4_096)
def _parsed(texts: tuple[str, ...]) -> tuple[Matcher, ...]:
    return parse_all(texts)
