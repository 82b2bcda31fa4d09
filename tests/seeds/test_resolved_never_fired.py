"""A trouble that comes and goes while its group still waits is told as resolved, to people who never heard that it was
there. They look for an incident that no page, no ticket and no chat knows of, and trust the next such message less.
"""

import pytest

from agents.notification.routing import told
from tests.unit.notification.routing.made import World, routing, when

TIMES = {"group_wait": "30s", "group_interval": "1m", "group_by": ["site"]}


def check() -> None:
    world = World(routing(TIMES))
    world.fire("brief", site="north")
    world.pass_to(10)
    world.resolve("brief")
    assert world.pass_to(1_000) == [], "resolved, and nobody knew"
    # Whoever heard that it fires hears that it ended.
    world.fire("long", site="north")
    world.pass_to(1_100)
    world.resolve("long")
    world.pass_to(1_200)
    assert when(world.told) == [(1_030, "new", "long", ""), (1_150, "resolved", "", "long")]


def test_the_end_is_told_to_those_who_heard_of_the_beginning() -> None:
    check()


def test_whoever_tells_each_change_of_a_group_tells_the_end_of_what_nobody_knew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def changed(entry: list[object] | None, now: tuple[list[str], list[str]], *_: object) -> str:
        last = ([], []) if entry is None else (entry[1], entry[2])
        return "" if tuple(last) == now else "new" if now[0] else "resolved"

    monkeypatch.setattr(told, "why", changed)
    with pytest.raises(AssertionError, match="nobody knew"):
        check()
