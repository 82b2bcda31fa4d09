"""Silences keep alerts back between two times, and nothing else."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.notification.routing import silences
from agents.notification.routing.matching import matches, parse_all
from agents.notification.routing.silences import SilencesState
from tests.unit.notification.routing.made import World, routing, when

TIMES = {"group_wait": "10s", "group_interval": "1m", "repeat_interval": "5m", "group_by": ["site"]}


def test_a_silence_holds_back_and_lets_go() -> None:
    world = World(routing(TIMES))
    assert world.silence("s", 0, 100, 'asset="a"')
    world.fire("a", asset="a")
    world.fire("b", asset="b")
    assert when(world.pass_to(60)) == [(10, "new", "b", "")]
    # At 70 it is silent still, at 130 not.
    assert when(world.pass_to(140)) == [(130, "new", "a b", "")]


def test_what_ends_in_silence_is_not_told() -> None:
    world = World(routing(TIMES))
    world.fire("a", asset="a")
    world.pass_to(20)
    world.silence("s", 20, 1_000, "asset=~.+")
    world.resolve("a")
    assert world.pass_to(2_000) == []


def test_the_begin_belongs_to_a_silence_and_its_end_does_not() -> None:
    state = SilencesState()
    assert silences.put(state, "s", ["a=b"], 10, 20)
    assert [bool(silences.silencing(state, {"a": "b"}, at)) for at in (9, 10, 19, 20)] == [False, True, True, False]
    assert silences.silencing(state, {"a": "c"}, 15) == []
    assert [silences.next_change(state, at) for at in (0, 10, 20)] == [10, 20, None]


def test_one_that_is_ended_early_or_put_again_counts_as_it_is_now() -> None:
    state = SilencesState()
    silences.put(state, "s", ["a=b"], 10, 20)
    silences.put(state, "s", ["a=b"], 10, 30)
    assert silences.silencing(state, {"a": "b"}, 25) == ["s"]
    assert silences.end(state, "s")
    assert not silences.end(state, "s")
    assert silences.silencing(state, {"a": "b"}, 25) == []


def test_those_that_have_ended_are_forgotten() -> None:
    state = SilencesState()
    silences.put(state, "short", ["a=b"], 10, 20)
    silences.put(state, "long", ["a=b"], 10, 30)
    assert silences.forget(state, 20) == ["short"]
    assert list(state.known) == ["long"]


_MATCHERS = st.lists(
    st.sampled_from(["a=1", "a=2", "b=1", "a!=1", "b=~1|2", 'c=""', "b!~2"]), min_size=1, max_size=3, unique=True
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    several=st.lists(_MATCHERS, max_size=5),
    labels=st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "1", "2"]), max_size=3),
)
def test_the_index_finds_what_a_walk_finds(several: list[list[str]], labels: dict[str, str]) -> None:
    active = [(str(at), parse_all(texts)) for at, texts in enumerate(several)]
    assert silences.Index(active).silences(labels) == any(matches(matchers, labels) for _, matchers in active)


def test_one_that_ended_while_time_stood_still_is_known_until_everybody_has_seen_it() -> None:
    world = World(routing(TIMES))
    world.pass_to(40)
    world.silence("s", 40, 50, "asset=a")
    world.now = 4_000
    world.look()
    assert "s" in world.state.silences.known
    world.pass_to(4_100)
    assert world.state.silences == SilencesState()


@pytest.mark.parametrize("matchers", [[], ["a=~.*"], ['a=""', "b!=x"], ["a>b"], ['a=~"(x+)+"']])
def test_one_that_takes_in_everything_or_cannot_be_read_is_refused(matchers: list[str]) -> None:
    with pytest.raises(ValueError, match=r"empty text|matcher|could take too long"):
        silences.check(matchers)
    state = SilencesState()
    assert not silences.put(state, "s", matchers, 0, 10)
    assert state == SilencesState()
