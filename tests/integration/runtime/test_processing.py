"""A processor on every bus: the same outputs however the input is cut, whoever is restarted, whoever takes over."""

from collections.abc import Sequence

import anyio
import pytest

from agents.runtime.lanes.processing import ProcessorRunner
from agents.runtime.ownership import Ownership
from agents.state import dump
from bus.memory import MemoryBus
from bus.protocol import Bus, Commit, Place
from contracts.errors import Fenced, Unavailable
from contracts.events import DeadLettered, ReadingsAccepted
from contracts.identity import partition_of
from contracts.readings import Readings
from tests.conftest import PARTITIONS
from tests.unit.runtime.counting import (
    INPUT,
    Counter,
    Fragile,
    Hands,
    Passing,
    caught_up,
    feed,
    home,
    of_type,
    plant,
    process,
    story,
)

TASK = f"counter<{INPUT}"
STREAMS = ("incidents", "dead-letters")


async def expected(readings: Readings) -> list[str]:
    """What comes out of an undisturbed run."""
    undisturbed = MemoryBus(PARTITIONS)
    await feed(undisturbed, readings, 1000)
    await process(home(undisturbed), Counter())
    return await story(undisturbed, *STREAMS)


@pytest.mark.parametrize("cut", [1, 7, 1000])
async def test_outputs_are_the_same_for_every_cut(bus: Bus, cut: int) -> None:
    readings = plant(300, 6)
    await feed(bus, readings, cut)
    await process(home(bus, read_events=50), Counter())
    assert await story(bus, *STREAMS) == await expected(readings) != []


@pytest.mark.parametrize("cut", [1, 7, 1000])
async def test_readings_that_are_passed_on_are_the_same_for_every_cut(bus: Bus, cut: int) -> None:
    readings = plant(200, 6)
    await feed(bus, readings, cut)
    await process(home(bus), Passing(), "passing")
    assert sum(1 for _ in await of_type(bus, ReadingsAccepted)) == 200
    accepted = await story(bus, "readings.accepted")
    assert [line.replace("ccepted", "cquired") for line in accepted] == await story(bus, INPUT)


async def test_poison_is_buried_alone_and_stays_buried_after_a_restart(bus: Bus) -> None:
    readings = plant(120, 6, poison=(17, 60))
    await feed(bus, readings, 7)
    first = await process(home(bus), Counter())
    letters = await of_type(bus, DeadLettered)
    assert sorted(letter.time for letter in letters) == [17_000_000_000, 60_000_000_000]
    assert await story(bus, *STREAMS) == await expected(readings)
    await process(home(bus, "two"), Counter())
    assert await story(bus, *STREAMS) == await expected(readings)
    assert first.lanes == {}


async def test_stopped_runner_hands_over_at_once_with_a_snapshot(bus: Bus) -> None:
    await feed(bus, plant(100, 6), 7)
    await process(home(bus), Counter())
    places = [Place(INPUT, number) for number in range(PARTITIONS)]
    for place, end in (await bus.ends(places)).items():
        assert await bus.sign(place.partition, TASK) == "", "every lease was given back"
        saved = await bus.snapshots(place.partition, TASK)
        assert [snapshot.position for snapshot in saved] == ([str(end), "0"] if end else ["0"])
    assert await bus.members(TASK, "look", 1) == {"look": "1"}


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_at_any_commit_loses_and_doubles_nothing(when: str) -> None:
    """On the bus in memory, for every commit; real servers are killed in test_kill."""
    readings = plant(80, 6)
    wanted = await expected(readings)
    for k in range(1, 30):
        inner = MemoryBus(PARTITIONS)
        await feed(inner, readings, 7)
        bus = Fragile(inner, lambda verb, number, k=k: when if (verb, number) == ("commit", k) else "")  # type: ignore[misc] # a default that binds
        surroundings = home(bus, read_events=10)
        runner = ProcessorRunner(surroundings, "counter", Counter(), INPUT)
        crashes = 0

        async def keep(runner: ProcessorRunner = runner) -> None:
            nonlocal crashes
            while not runner.home.stopping:
                try:
                    await runner.run()
                except Unavailable:
                    crashes += 1

        async with anyio.create_task_group() as group:
            group.start_soon(keep)
            await caught_up(inner, TASK)
            surroundings.stop.set()
        assert await story(inner, *STREAMS) == wanted, k
        if not crashes:
            assert k > 8, "every commit of the run was hit once"
            return
    raise AssertionError("more commits than expected")


async def test_refused_commit_drops_the_lane_and_opens_it_again(bus: Bus) -> None:
    """What the lane holds is worth nothing then; what is stored counts."""
    surroundings = home(bus, lease_s=0.3)
    runner = ProcessorRunner(surroundings, "counter", Counter(), INPUT)
    partition = partition_of("m0", PARTITIONS)
    first, second = plant_halves(plant(100, 1))
    await feed(bus, first, 10)
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        await caught_up(bus, TASK)
        held = runner.lanes[partition]
        while held.position < 50:  # noqa: ASYNC110 - a plain number of the lane
            await anyio.sleep(0.005)
        held.position = 10
        await feed(bus, second, 10, task="source:more")
        await caught_up(bus, TASK)
        again = runner.lanes[partition]
        surroundings.stop.set()
    assert again.token > held.token
    assert await story(bus, *STREAMS) == await expected(plant(100, 1))


# ---------------------------------------------------------------- ownership


async def look(members: Sequence[Ownership]) -> None:
    """One round of every member, as its runner does it."""
    for member in members:
        for partition in (await member.refresh()).surplus:
            await member.release(partition)


def fleet(bus: Bus, hands: Hands, *owners: str) -> list[Ownership]:
    return [Ownership(home(bus, owner, hands.clock, lease_s=6.0), TASK) for owner in owners]


def held(*members: Ownership) -> list[int]:
    return sorted(partition for member in members for partition in member.held)


async def test_one_member_owns_everything(bus: Bus) -> None:
    (one,) = fleet(bus, Hands(), "one")
    changes = await one.refresh()
    assert sorted(changes.gained) == held(one) == [0, 1, 2, 3]
    assert (changes.lost, changes.surplus) == ([], [])


async def test_second_member_gets_half_without_waiting_for_a_lease_time(bus: Bus) -> None:
    hands = Hands()
    one, two = fleet(bus, hands, "one", "two")
    await look([one])
    for _ in range(3):
        await look([one, two])
        hands.now_s += 2
    assert (len(one.held), len(two.held)) == (2, 2)
    assert held(one, two) == [0, 1, 2, 3]


async def test_members_over_the_number_of_partitions_stand_by(bus: Bus) -> None:
    hands = Hands()
    members = fleet(bus, hands, *"abcdef")
    for _ in range(4):
        await look(members)
        hands.now_s += 2
    assert sorted(len(member.held) for member in members) == [0, 0, 1, 1, 1, 1]
    assert held(*members) == [0, 1, 2, 3]


async def test_dead_member_is_replaced_in_about_a_lease_time_and_fenced(bus: Bus) -> None:
    hands = Hands()
    one, two = fleet(bus, hands, "one", "two")
    for _ in range(3):
        await look([one, two])
        hands.now_s += 2
    mine = dict(one.held)
    died, tokens = hands.now_s, {}
    while len(two.held) < PARTITIONS and hands.now_s - died < 60:
        hands.now_s += 2
        tokens.update((await two.refresh()).gained)
    assert held(two) == [0, 1, 2, 3]
    assert 4 <= hands.now_s - died <= 6 + 2, "not before its lease time, and at the next look after it"
    for partition, token in mine.items():
        assert tokens[partition] > token
        with pytest.raises(Fenced):
            await bus.commit(Commit(partition, TASK, token, "", "1"))


async def test_member_that_wakes_up_finds_its_leases_lost_and_gets_a_share_again(bus: Bus) -> None:
    hands = Hands()
    one, two = fleet(bus, hands, "one", "two")
    await look([one])
    for _ in range(6):
        await look([two])
        hands.now_s += 2
    assert held(two) == [0, 1, 2, 3]
    changes = await one.refresh()
    assert sorted(changes.lost) == [0, 1, 2, 3]
    for _ in range(3):
        await look([one, two])
        hands.now_s += 2
    assert (len(one.held), len(two.held)) == (2, 2)


async def test_slow_member_that_still_gives_signs_keeps_its_leases(bus: Bus) -> None:
    hands = Hands()
    one, two = fleet(bus, hands, "one", "two")
    await look([one])
    before = dict(one.held)
    for _ in range(5):
        hands.now_s += 5
        await one.refresh()
        await two.refresh()
    assert one.held == before
    assert two.held == {}


async def test_member_that_leaves_hands_over_at_once(bus: Bus) -> None:
    hands = Hands()
    one, two = fleet(bus, hands, "one", "two")
    for _ in range(3):
        await look([one, two])
        hands.now_s += 2
    await one.leave()
    await two.refresh()
    assert held(two) == [0, 1, 2, 3]
    assert one.held == {}


async def test_lease_of_nobody_we_know_is_taken_over_after_its_time(bus: Bus) -> None:
    hands = Hands()
    assert await bus.acquire(0, TASK, "ghost", seen=None)
    (one,) = fleet(bus, hands, "one")
    await one.refresh()
    assert held(one) == [1, 2, 3]
    hands.now_s += 5.9
    await one.refresh()
    assert held(one) == [1, 2, 3]
    hands.now_s += 0.2
    await one.refresh()
    assert held(one) == [0, 1, 2, 3]


async def test_ownership_looks_three_times_in_a_lease_time(bus: Bus) -> None:
    hands = Hands()
    (one,) = fleet(bus, hands, "one")
    due = [one.due]
    await one.refresh()
    for passed in (0.0, 1.9, 0.2):
        hands.now_s += passed
        due.append(one.due)
    assert due == [True, False, False, True]


async def test_two_runners_share_the_work_and_one_takes_over_when_the_other_dies(bus: Bus) -> None:
    readings = plant(600, 12)
    first, second = plant_halves(readings)
    one, two = home(bus, "one", lease_s=0.6), home(bus, "two", lease_s=0.6)
    runners = [ProcessorRunner(member, "counter", Counter(), INPUT) for member in (one, two)]
    async with anyio.create_task_group() as group:
        dies = anyio.CancelScope()
        group.start_soon(in_scope, dies, runners[0])
        group.start_soon(runners[1].run)
        with anyio.fail_after(40):
            while [len(runner.lanes) for runner in runners] != [2, 2]:  # noqa: ASYNC110 - plain dicts of the runners
                await anyio.sleep(0.01)
        await feed(bus, first, 7)
        await caught_up(bus, TASK)
        dead = dict(runners[0].lanes)
        stale = {partition: (lane.token, lane.position) for partition, lane in dead.items()}
        dies.cancel()
        died = anyio.current_time()
        await feed(bus, second, 7, task="source:more")
        await caught_up(bus, TASK)
        took = anyio.current_time() - died
        two.stop.set()
    # The bound on an injected clock is tighter, and tested above; this one allows for a busy machine.
    assert took < 0.6 + 20.0
    assert len(stale) == 2
    for partition, (token, position) in stale.items():
        with pytest.raises(Fenced):
            await bus.commit(Commit(partition, TASK, token, str(position), "999"))
    assert await story(bus, *STREAMS) == await expected(readings)


async def in_scope(scope: anyio.CancelScope, runner: ProcessorRunner) -> None:
    """Run until the scope is cancelled: as good as a kill, nothing is saved or given back."""
    with scope:
        await runner.run()


def plant_halves(readings: Readings) -> tuple[Readings, Readings]:
    first, second = readings.cut(len(readings) // 2)
    return first, second


async def test_recovered_state_is_the_state_of_an_undisturbed_run(bus: Bus) -> None:
    readings = plant(300, 6)
    first, second = plant_halves(readings)
    await feed(bus, first, 7)
    await process(home(bus), Counter())
    await feed(bus, second, 3, task="source:more")
    await process(home(bus, "two"), Counter())
    undisturbed = MemoryBus(PARTITIONS)
    await feed(undisturbed, first, 1000)
    await feed(undisturbed, second, 1000, task="source:more")
    await process(home(undisturbed), Counter())
    assert await states(bus) == await states(undisturbed) != []
    assert await story(bus, *STREAMS) == await story(undisturbed, *STREAMS)


async def states(bus: Bus) -> list[bytes]:
    return [saved.data for number in range(PARTITIONS) for saved in (await bus.snapshots(number, TASK))[:1]]


def test_dumps_of_equal_states_are_equal() -> None:
    """Guards the comparison above."""
    assert dump(Counter().start()) == dump(Counter().start())
