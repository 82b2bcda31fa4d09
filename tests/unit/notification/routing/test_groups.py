"""Groups wait, repeat, end and forget as Alertmanager's do.

In most tests they wait for 10 s, are looked at every 60 s, and repeat after 300 s.
"""

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.notification.routing import Entering, Routing
from contracts.instants import SECOND
from tests.unit.notification.routing.made import World, routing, when

TIMES = {"group_wait": "10s", "group_interval": "1m", "repeat_interval": "5m"}


@pytest.fixture
def world() -> World:
    return World(routing({**TIMES, "group_by": ["site"]}))


def test_the_first_waits_for_others_and_those_that_follow_come_together(world: World) -> None:
    world.fire("a", site="north")
    world.pass_to(5)
    world.fire("b", site="north")
    assert when(world.pass_to(20)) == [(10, "new", "a b", "")]
    world.fire("c", site="north")
    world.pass_to(50)
    world.fire("d", site="north")
    (second,) = world.pass_to(75)
    assert when([second]) == [(70, "new", "a b c d", "")]
    assert second.fresh == ("c", "d")
    assert second.labels == {"site": "north"}
    assert second.group_key == '{}:{site="north"}'


def test_other_labels_are_another_group(world: World) -> None:
    world.fire("a", site="north")
    world.fire("b", site="south")
    world.fire("c")
    assert [(one.labels, one.firing) for one in world.pass_to(11)] == [
        ({"site": "north"}, ("a",)),
        ({"site": "south"}, ("b",)),
        ({}, ("c",)),
    ]


def test_an_alert_that_began_long_ago_has_waited_enough(world: World) -> None:
    world.pass_to(100)
    world.fire("a", since=80, site="north")
    assert when(world.look()) == [(100, "new", "a", "")]
    world.fire("b", since=80, site="north")
    assert when(world.pass_to(161)) == [(160, "new", "a b", "")]


def test_an_old_alert_hurries_a_group_that_still_waits(world: World) -> None:
    world.pass_to(100)
    world.fire("a", site="north")
    world.pass_to(103)
    world.fire("b", since=0, site="north")
    assert when(world.pass_to(120)) == [(103, "new", "a b", "")]


def test_what_goes_on_is_repeated_after_repeat_interval(world: World) -> None:
    world.fire("a", site="north")
    # At 310 exactly five minutes have passed, which is not more than five minutes.
    assert when(world.pass_to(800)) == [(10, "new", "a", ""), (370, "repeat", "a", ""), (730, "repeat", "a", "")]


def test_the_end_is_told_once_and_starts_no_new_group_for_half_a_minute(world: World) -> None:
    world.fire("a", site="north")
    world.pass_to(20)
    world.resolve("a")
    assert when(world.pass_to(85)) == [(70, "resolved", "", "a")]
    # The empty group keeps its turns until the sweep at 90.
    world.fire("b", site="north")
    assert when(world.pass_to(135)) == [(130, "new", "b", "")]


def test_after_the_sweep_a_group_begins_anew(world: World) -> None:
    world.fire("a", site="north")
    world.pass_to(20)
    world.resolve("a")
    world.pass_to(95)
    state = world.state.groups
    assert not any((state.members, state.due, state.number, state.firing, state.inside))
    world.fire("b", site="north")
    assert when(world.pass_to(110)) == [(105, "new", "b", "")]


def test_what_ends_before_it_was_told_is_never_told(world: World) -> None:
    world.fire("a", site="north")
    world.pass_to(5)
    world.resolve("a")
    assert world.pass_to(1_000) == []
    assert not world.routing.follows(world.state, "a")


def test_what_comes_back_between_two_turns_is_no_news(world: World) -> None:
    world.fire("a", site="north")
    world.pass_to(20)
    world.resolve("a")
    world.pass_to(30)
    world.fire("a", site="north")
    assert world.pass_to(300) == []


def test_a_receiver_that_does_not_want_to_hear_of_the_end_hears_of_a_new_beginning() -> None:
    world = World(
        routing(
            {**TIMES, "receiver": "quiet"},
            receivers={"quiet": {"steps": [{"tell": ["ada"]}], "send_resolved": False}},
        )
    )
    world.fire("a")
    world.fire("b")
    world.pass_to(20)
    world.resolve("a")
    assert world.pass_to(75) == []
    world.resolve("b")
    assert world.pass_to(135) == []
    world.fire("a")
    # Nobody was told, but it is known that it had ended.
    assert when(world.pass_to(200)) == [(190, "new", "a", "")]


def test_some_end_and_others_go_on(world: World) -> None:
    world.fire("a", site="north")
    world.fire("b", site="north")
    world.pass_to(20)
    world.resolve("a")
    assert when(world.pass_to(440)) == [(70, "resolved", "b", "a"), (430, "repeat", "b", "")]


def test_with_other_labels_an_alert_is_over_where_it_was(world: World) -> None:
    world.fire("a", site="north")
    world.pass_to(20)
    world.fire("a", site="south")
    world.pass_to(75)
    assert [(one.labels["site"], one.why, one.firing, one.resolved) for one in world.told] == [
        ("north", "new", ("a",), ()),
        ("south", "new", ("a",), ()),
        ("north", "resolved", (), ("a",)),
    ]
    world.resolve("a")
    world.pass_to(140)
    assert (world.told[-1].labels["site"], world.told[-1].resolved) == ("south", ("a",))
    assert not world.routing.follows(world.state, "a")


def test_renewed_it_is_told_as_if_it_had_not_been(world: World) -> None:
    world.fire("a", site="north")
    world.fire("b", site="north")
    world.pass_to(20)
    world.routing.renew(world.state, "a")
    (again,) = world.pass_to(75)
    assert (again.why, again.fresh, again.firing) == ("new", ("a",), ("a", "b"))
    assert world.pass_to(300) == []


def test_a_group_may_be_told_to_two_receivers() -> None:
    world = World(routing({**TIMES, "routes": [{"receiver": "ada", "continue": True}, {"receiver": "bob"}]}))
    world.fire("a")
    assert [one.receiver for one in world.pass_to(11)] == ["ada", "bob"]


def test_every_alert_by_itself() -> None:
    world = World(routing({**TIMES, "group_by": ["..."]}))
    world.fire("a", asset="1")
    world.fire("b", asset="2")
    assert when(world.pass_to(11)) == [(10, "new", "a", ""), (10, "new", "b", "")]


def test_an_acknowledged_group_is_not_repeated_until_that_expires(world: World) -> None:
    world.fire("a", site="north")
    world.pass_to(20)
    world.taken = {"a"}
    assert world.pass_to(1_000) == []
    world.fire("b", site="north")
    assert when(world.pass_to(1_050)) == [(1_030, "new", "a b", "")]
    world.taken = {"a", "b"}
    world.pass_to(1_100)
    world.taken = set()
    assert when(world.pass_to(1_200)) == [(1_150, "repeat", "a b", "")]


def test_turns_that_were_missed_are_made_up_for_by_one(world: World) -> None:
    world.fire("a", site="north")
    world.pass_to(20)
    world.now = 10_000
    assert when(world.look()) == [(9_970, "repeat", "a", "")]
    assert world.pass_to(10_200) == []


def test_the_log_forgets_what_was_told_twice_the_repeat_interval_ago(world: World) -> None:
    world.fire("a", site="north")
    world.pass_to(20)
    world.resolve("a")
    world.pass_to(100)
    assert world.state.told.log
    world.pass_to(2_000)
    assert not world.state.told.log


def test_with_other_routes_groups_begin_anew_and_nothing_is_told_twice(world: World) -> None:
    world.fire("a", site="north")
    world.pass_to(20)
    changed = routing({**TIMES, "group_by": ["site"], "group_wait": "5s"})
    assert not changed.fits(world.state)
    changed.rebuild(world.state, [Entering("a", world.known["a"], True, 0)], 20 * SECOND)
    world.routing = changed
    assert changed.fits(world.state)
    assert world.pass_to(300) == []
    assert when(world.pass_to(400)) == [(320, "repeat", "a", "")]


def test_a_clock_that_was_set_back_does_not_delay_what_is_repeated(world: World) -> None:
    world.pass_to(1_000)
    world.fire("a", site="north")
    world.pass_to(1_020)
    world.now = 100
    world.routing.rebuild(world.state, [Entering("a", world.known["a"], True, 0)], 100 * SECOND)
    assert [why for _, why, *_ in when(world.pass_to(500))] == ["repeat"]


def _chance(rng: random.Random, world: World) -> None:
    """Something happens."""
    alert = rng.choice("abcdef")
    labels = {"site": rng.choice(["north", "south"]), "severity": rng.choice(["critical", "warning"])}
    happening = rng.randrange(8)
    if happening < 4:
        world.fire(alert, world.now - rng.choice([0, 0, 100]), **(world.known.get(alert) or labels))
    elif happening == 4:
        world.fire(alert, None, **labels)
    elif happening == 5 and alert in world.known:
        world.resolve(alert)
    elif happening == 6:
        world.silence(f"s{rng.randrange(3)}", world.now, world.now + rng.randrange(200), f'site="{labels["site"]}"')
    else:
        world.taken ^= {alert}


def _routes() -> Routing:
    rule: dict[str, Any] = {"source_matchers": ["severity=critical"], "target_matchers": ["severity=warning"]}
    return routing(
        {**TIMES, "group_by": ["site"], "routes": [{"matchers": ["site=north"], "receiver": "duty", "continue": True}]},
        receivers={"duty": {"steps": [{"tell": ["ada"]}, {"after": "2m", "tell": ["bob"]}]}},
        inhibit_rules=[rule],
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), every=st.sampled_from([1, 3, 7]))
def test_it_does_not_matter_how_often_time_is_told_or_the_process_dies(seed: int, every: int) -> None:
    """What is told is a function of what happened and when: any further look, save and load changes nothing."""
    plain, other, rng = World(_routes()), World(_routes()), random.Random(seed)
    for step in range(60):
        at = plain.now + rng.choice([1, 5, 30])
        plain.pass_to(at)
        while other.now < at:
            other.now = min(other.now + 1 / every, at)
            other.look()
        if step % every == 0:
            other.save_and_load()
        draw = rng.random()
        _chance(random.Random(draw), plain)
        _chance(random.Random(draw), other)
    plain.pass_to(plain.now + 600)
    while other.now < plain.now:
        other.now = min(other.now + 1 / every, plain.now)
        other.look()
    assert other.told == plain.told
