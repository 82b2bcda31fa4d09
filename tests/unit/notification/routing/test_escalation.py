"""Steps are told one after the other, until somebody acknowledges."""

from typing import Any

import pytest

from agents.notification.routing import Entering
from contracts.instants import SECOND
from tests.unit.notification.routing.made import World, routing

DUTY: dict[str, Any] = {
    "steps": [{"tell": ["ada"]}, {"after": "2m", "tell": ["bob", "ada"]}, {"after": "5m", "tell": ["cy"]}]
}
TIMES = {"group_wait": "10s", "group_interval": "1m", "repeat_interval": "1h", "group_by": ["site"], "receiver": "duty"}


@pytest.fixture
def world() -> World:
    return World(routing(TIMES, receivers={"duty": DUTY}))


def told(world: World, until: float) -> list[tuple[float, str, tuple[str, ...], str]]:
    return [(one.at / SECOND, one.why, one.tell, " ".join(one.firing)) for one in world.pass_to(until)]


def test_each_step_is_told_in_its_time_and_once(world: World) -> None:
    world.fire("a")
    assert told(world, 3_000) == [
        (10, "new", ("ada",), "a"),
        (130, "escalation", ("bob", "ada"), "a"),
        (310, "escalation", ("cy",), "a"),
    ]


def test_an_acknowledgement_ends_it(world: World) -> None:
    world.fire("a")
    world.pass_to(60)
    world.taken = {"a"}
    assert told(world, 3_000) == []


def test_nobody_is_called_for_what_is_over(world: World) -> None:
    world.fire("a")
    world.pass_to(60)
    world.resolve("a")
    assert told(world, 3_000) == [(70, "resolved", ("ada",), "")]


def test_whoever_was_called_hears_of_repeats_and_of_the_end(world: World) -> None:
    world.fire("a")
    world.pass_to(200)
    world.fire("b")
    assert told(world, 260) == [(250, "new", ("ada", "bob"), "a b")]
    world.taken = {"a", "b"}
    world.pass_to(400)
    world.resolve("a")
    world.resolve("b")
    assert told(world, 500) == [(430, "resolved", ("ada", "bob"), "")]


def test_what_comes_while_all_is_acknowledged_begins_at_the_first_step(world: World) -> None:
    world.fire("a")
    world.pass_to(200)
    world.taken = {"a"}
    world.pass_to(300)
    world.fire("b")
    assert told(world, 600) == [
        (310, "new", ("ada", "bob"), "a b"),
        (430, "escalation", ("bob", "ada"), "b"),
    ]  # fmt: skip


def test_an_acknowledgement_that_expires_begins_it_anew(world: World) -> None:
    world.fire("a")
    world.pass_to(60)
    world.taken = {"a"}
    world.pass_to(1_000)
    world.taken = set()
    assert told(world, 1_200) == [(1_030, "repeat", ("ada",), "a"), (1_150, "escalation", ("bob", "ada"), "a")]


def test_a_step_whose_time_comes_in_silence_is_told_after_it(world: World) -> None:
    world.fire("a", asset="a")
    world.pass_to(60)
    world.silence("s", 60, 200, "asset=a")
    assert told(world, 260) == [(250, "escalation", ("bob", "ada"), "a")]


def test_somebody_may_want_the_next_step_now(world: World) -> None:
    world.fire("a")
    world.pass_to(20)
    (group,) = world.routing.groups_of(world.state, "a")
    first = world.routing.further(world.state, group, 20 * SECOND, world)
    assert first is not None
    assert (first.step, first.tell, first.why) == (1, ("bob", "ada"), "escalation")
    # The step after it comes when it would have come.
    assert told(world, 400) == [(310, "escalation", ("cy",), "a")]
    assert world.routing.further(world.state, group, 400 * SECOND, world) is None


def test_who_was_called_already_is_not_the_next_step(world: World) -> None:
    world.fire("a")
    world.pass_to(200)
    world.taken = {"a"}
    world.pass_to(260)
    world.fire("b")
    # Nothing waits, as b has not been told yet; bob has heard of the group before.
    further = world.routing.further(world.state, world.routing.groups_of(world.state, "b")[0], 260 * SECOND, world)
    assert further is not None
    assert (further.tell, further.firing) == (("cy",), ("b",))


def test_there_is_no_next_step_for_what_is_acknowledged_or_gone(world: World) -> None:
    world.fire("a")
    world.pass_to(20)
    (group,) = world.routing.groups_of(world.state, "a")
    world.taken = {"a"}
    assert world.routing.further(world.state, group, 20 * SECOND, world) is None
    assert world.routing.further(world.state, 99, 20 * SECOND, world) is None


def test_a_thousand_alerts_are_one_escalation(world: World) -> None:
    for number in range(1_000):
        world.fire(f"a{number}", site="north")
    assert [(one.why, len(one.firing)) for one in world.pass_to(400)] == [
        ("new", 1_000),
        ("escalation", 1_000),
        ("escalation", 1_000),
    ]


def test_it_goes_on_after_a_restart_and_begins_anew_with_other_routes(world: World) -> None:
    world.fire("a")
    world.pass_to(20)
    world.save_and_load()
    assert told(world, 140) == [(130, "escalation", ("bob", "ada"), "a")]
    world.routing.rebuild(world.state, [Entering("a", {}, True, 0)], 140 * SECOND)
    assert told(world, 400) == [(260, "escalation", ("bob", "ada"), "a")]


def test_nothing_is_left_of_a_group_that_is_gone(world: World) -> None:
    world.fire("a")
    world.pass_to(200)
    world.resolve("a")
    world.pass_to(400)
    state = world.state.escalations
    assert not any((state.begun, state.level, state.reached, state.due, state.held))
