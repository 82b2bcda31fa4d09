"""After an outage a backlog of alerts comes in that began long ago, and since each has waited long enough, each
is told at once by itself. A thousand messages arrive in a minute, and the channel's limit swallows those that matter.
"""

import pytest

from agents.notification.routing import groups
from agents.notification.routing.tree import Tree
from contracts.instants import SECOND
from tests.unit.notification.routing.made import World, routing

TIMES = {"group_wait": "30s", "group_interval": "5m", "group_by": ["site"]}
ALERTS, IN_S = 1_000, 60
HOUR = 3_600.0


def check() -> None:
    world = World(routing(TIMES))
    world.pass_to(HOUR)
    for number in range(ALERTS):
        world.pass_to(HOUR + number * IN_S / ALERTS)
        world.fire(f"a{number}", since=0.0, site="north")
    world.pass_to(2 * HOUR)
    assert len(world.told) <= 3, f"{len(world.told)} messages for one group"
    # The first is told at once: it has waited enough.
    assert world.told[0].at < (HOUR + 2) * SECOND
    assert len(world.told[-1].firing) == ALERTS


def test_a_backlog_is_told_at_once_and_then_by_turns() -> None:
    check()


def test_without_the_look_whether_a_group_had_its_turn_each_alert_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    enter = groups.enter

    def hurried(tree: Tree, state: groups.GroupsState, entering: groups.Entering, now: int) -> None:
        enter(tree, state, entering, now)
        for number in state.inside[entering.alert]:
            if entering.starts + tree.nodes[state.node[number]].wait < now:
                groups.plan(state, number, now)

    monkeypatch.setattr(groups, "enter", hurried)
    with pytest.raises(AssertionError, match="messages for one group"):
        check()
