"""What a real Alertmanager told in more than two hundred random scenarios, we tell, too.

``tests/integration/alertmanager`` plays scenarios to a real one; its ``recording`` made the file that is read here.
"""

from collections.abc import Callable, Mapping
from functools import cache

import pytest

from agents.notification.routing import groups, inhibition, silences, told, tree
from agents.notification.routing.matching import matches
from agents.notification.routing.tree import Node
from contracts.instants import SECOND
from tests.integration.alertmanager.playing import Played
from tests.integration.alertmanager.recording import load

Patch = Callable[[pytest.MonkeyPatch], None]


@cache
def recorded() -> tuple[Played, ...]:
    return tuple(load())


@pytest.mark.parametrize("batch", range(5))
def test_we_tell_the_same_at_the_same_time(batch: int) -> None:
    assert recorded()[batch].differences() == {}


def test_there_are_more_than_two_hundred_scenarios_and_a_thousand_notifications() -> None:
    assert sum(len(played.scenarios) for played in recorded()) >= 200
    assert sum(len(played.notices) for played in recorded()) >= 1_000
    assert sum(bool(one.resolved) for played in recorded() for one in played.notices) >= 200
    assert sum(bool(one.inhibit_rules) for played in recorded() for one in played.scenarios) >= 80


def _never_on(patch: pytest.MonkeyPatch) -> None:
    """Routes end at the first that fits, whatever ``continue`` says."""

    def find(node: Node, labels: Mapping[str, str]) -> list[Node]:
        if not matches(node.matchers, labels):
            return []
        return next((found for child in node.children if (found := find(child, labels))), [node])

    patch.setattr(tree, "_find", find)


def _likes(patch: pytest.MonkeyPatch) -> None:
    """An alert that is source and target inhibits its likes."""
    count = inhibition._count
    patch.setattr(inhibition, "_count", lambda state, key, change, both: count(state, key, change, False))


def _unheard(patch: pytest.MonkeyPatch) -> None:
    """The end is told of what nobody has heard of."""
    why = told.why
    patch.setattr(told, "why", lambda entry, now, *more: why(entry or [0, [], [], 0], now, *more) or (
        "resolved" if not now[0] and now[1] else ""
    ))  # fmt: skip


def _patient(patch: pytest.MonkeyPatch) -> None:
    """An alert that began long ago waits for group_wait as any other."""
    enter = groups.enter
    patch.setattr(groups, "enter", lambda routes, state, entering, now: enter(
        routes, state, groups.Entering(entering.alert, entering.labels, entering.firing, now), now
    ))  # fmt: skip


def _deaf(patch: pytest.MonkeyPatch) -> None:
    """Silences are not heard."""
    patch.setattr(silences, "active", lambda state, at: [])


def _tidy(patch: pytest.MonkeyPatch) -> None:
    """A group is removed as soon as it is empty."""
    patch.setattr(groups, "SWEEP", SECOND // 20)


def _oblivious(patch: pytest.MonkeyPatch) -> None:
    """Everything is told at each turn."""
    patch.setattr(told, "why", lambda entry, now, *more: "new" if now[0] else "")


def _never_again(patch: pytest.MonkeyPatch) -> None:
    """Nothing is repeated."""
    why = told.why
    patch.setattr(told, "why", lambda entry, now, news, before, resolved: why(entry, now, news, -1, resolved))


@pytest.mark.parametrize(
    "mutate",
    [_never_on, _likes, _unheard, _patient, _deaf, _tidy, _oblivious, _never_again],
    ids=lambda one: one.__name__,
)
def test_other_decisions_are_found(mutate: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch)
    assert any(played.differences() for played in recorded())
