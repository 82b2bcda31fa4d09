"""A fleet that is killed and paused at random writes the log of an undisturbed one; a broken bus does not."""

import random
from collections.abc import Iterator

import pytest

from tests.chaos.broken import BROKEN
from tests.chaos.fleet import Nursery, Scene
from tests.chaos.round import play

SCENES = [
    pytest.param(Scene(), 200, id="plain"),
    pytest.param(Scene(archive=True), 50, id="archive"),
    pytest.param(Scene(server="cluster"), 50, id="cluster"),
    pytest.param(Scene(server="cluster", archive=True), 20, id="archive on a cluster"),
]
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
    assert found(nursery, "outputs-first", 4, disturbances=3), "the harness finds nothing"


def found(nursery: Nursery, name: str, rounds: int, disturbances: int = 4) -> bool:
    """Whether a broken bus is found within some rounds."""
    first = fresh_seed()
    for number in range(rounds):
        outcome = play(nursery, first + number, Scene(broken=name), disturbances=disturbances)
        print(outcome)  # noqa: T201 - shown when the test fails
        outcome.forget()
        # To be slow is no proof.
        if any("stuck" not in text for text in outcome.problems):
            return True
    return False


@pytest.mark.soak
@pytest.mark.parametrize(("scene", "rounds"), SCENES)
def test_many_rounds_lose_and_double_nothing(nursery: Nursery, scene: Scene, rounds: int) -> None:
    first = fresh_seed()
    failed = []
    for number in range(rounds):
        outcome = play(nursery, first + number, scene)
        print(f"{number + 1}/{rounds}  {outcome}", flush=True)  # noqa: T201 - progress of an hour
        if outcome.problems:
            failed.append(f"{outcome}, kept in {outcome.folder}")
    assert failed == []


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(BROKEN))
def test_broken_bus_is_found(nursery: Nursery, name: str) -> None:
    assert found(nursery, name, PATIENCE)
