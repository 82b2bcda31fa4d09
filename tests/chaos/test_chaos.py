"""A fleet that is killed and paused at random writes the log of an undisturbed one; a broken bus does not."""

import random
from collections.abc import Iterator

import pytest

from tests.chaos.broken import BROKEN
from tests.chaos.fleet import Nursery
from tests.chaos.round import play

ROUNDS = 200
#: Within so many rounds each broken bus must have been found.
PATIENCE = 12


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as found:
        yield found


def fresh_seed() -> int:
    return random.SystemRandom().randrange(10**6)


def test_random_kills_and_pauses_lose_and_double_nothing(nursery: Nursery) -> None:
    for _ in range(2):
        outcome = play(nursery, fresh_seed(), disturbances=3)
        assert outcome.problems == [], f"{outcome}, kept in {outcome.folder}"


def test_outputs_and_position_in_two_steps_are_found(nursery: Nursery) -> None:
    outcome = play(nursery, 100, broken="outputs-first", disturbances=3)
    outcome.forget()
    assert any("doubled" in text for text in outcome.problems), outcome


@pytest.mark.soak
def test_many_rounds_lose_and_double_nothing(nursery: Nursery) -> None:
    first = fresh_seed()
    failed = []
    for number in range(ROUNDS):
        outcome = play(nursery, first + number)
        print(f"{number + 1}/{ROUNDS}  {outcome}", flush=True)  # noqa: T201 - progress of an hour
        if outcome.problems:
            failed.append(f"{outcome}, kept in {outcome.folder}")
    assert failed == []


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(BROKEN))
def test_broken_bus_is_found(nursery: Nursery, name: str) -> None:
    first = fresh_seed()
    for number in range(PATIENCE):
        outcome = play(nursery, first + number, broken=name)
        outcome.forget()
        if outcome.problems:
            return
    pytest.fail(f"{name} was not found in {PATIENCE} rounds from seed {first}")
