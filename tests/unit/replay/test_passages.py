"""A replay from saved states gives what the live run gave, wherever it begins, and says so when it does not."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agents.topology import Placed, Topology
from bus.history import History
from bus.protocol import Place
from bus.sandbox import Turns
from bus.saved import Saved
from contracts.errors import NotFound
from contracts.events import DataQualityIncident, DeadLettered, ReadingsAcquired
from contracts.instants import EARLIEST, LATEST
from tests.unit.replay.past import PARTITIONS, Echo, Past, at, topology
from tests.unit.runtime.counting import INPUT, Counter, Shelf, of_type

AFTER = 20


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of an hour, and a page, are longer than the whole past here."""
    monkeypatch.setattr("agents.replay.planning.AFTER_NS", at(AFTER))
    monkeypatch.setattr("bus.window._PAGE", 4)


@pytest.mark.parametrize("seed", range(3))
async def test_what_was_recorded_comes_out_again_from_any_state(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    past = await Past(random, tmp_path).live()
    assert len(await of_type(past.bus, DeadLettered)) >= len(past.poison)
    begun: list[int] = []
    for since in (0, 130, 260, random.randint(0, 280)):
        until = since + random.randint(1, 100)
        comparison, positions = await past.compared(past.planner(at(since), at(until)))
        assert comparison.differences() == []
        assert comparison.counts[0] == comparison.counts[1] > 0
        assert comparison.shuffled == 0
        begun += positions
    assert sum(position > 0 for position in begun) > len(begun) / 5


@pytest.mark.parametrize("seed", range(2))
async def test_what_was_given_back_is_handled_where_it_was(seed: int, tmp_path: Path) -> None:
    past = await Past(Random(seed), tmp_path, redriven=12).live()
    assert past.redriven == 0
    for since in (0, 150, 260):
        comparison, _ = await past.compared(past.planner(at(since), at(since + 40)))
        assert comparison.differences() == []
        assert comparison.counts[0] > 0


@pytest.mark.parametrize("agents", [("echo",), ("fives",), ("fives", "echo"), ("pass",)])
async def test_some_agents_run_again_beside_the_record_of_the_others(agents: tuple[str, ...], tmp_path: Path) -> None:
    past = await Past(Random(3), tmp_path).live()
    for since in (0, 220):
        comparison, _ = await past.compared(past.planner(at(since), at(since + 40), agents=agents))
        assert comparison.differences() == []
        assert comparison.counts[0] == comparison.counts[1] > 0


class Late(Counter):
    """Tells of each reading when ten more of its series have come: one and a half minutes later."""

    def handle(self, event: Any, state: Any) -> Iterator[DataQualityIncident]:
        if not isinstance(event, ReadingsAcquired):
            return
        readings = event.readings
        for row, name in enumerate(readings.ids()):
            series = readings.series[int(readings.code[row])]
            held = state.by_series.setdefault((series.asset, series.channel), [])
            held.append(float(readings.time[row]))
            if len(held) > 10:
                yield DataQualityIncident.of(
                    cause=name,
                    time=int(held.pop(0)),
                    asset=series.asset,
                    channel=series.channel,
                    kind="stuck",
                    state="open",
                    detail="",
                    since=readings.first + row,
                )


async def test_what_was_told_much_later_comes_out_again(tmp_path: Path) -> None:
    alone = Topology([Placed("shelf", "shelf", Shelf()), Placed("late", "late", Late())])
    past = await Past(Random(13), tmp_path, topology=alone).live()
    begun: list[int] = []
    for since in (0, 150):
        comparison, positions = await past.compared(past.planner(at(since), at(since + 40)))
        assert comparison.differences() == []
        assert comparison.counts == [41, 41]
        begun += positions
    assert any(begun)


async def test_the_beginning_gives_the_same_as_a_state(tmp_path: Path) -> None:
    past = await Past(Random(5), tmp_path).live()
    whole, positions = await past.compared(past.planner(at(200), at(240), saved=None))
    near, begun = await past.compared(past.planner(at(200), at(240)))
    assert set(positions) == {0} != set(begun)
    assert whole.differences() == near.differences() == []
    assert whole.counts == near.counts


async def test_everything_is_compared_where_no_time_is_named(tmp_path: Path) -> None:
    past = await Past(Random(6), tmp_path).live()
    comparison, positions = await past.compared(past.planner(EARLIEST, LATEST))
    assert comparison.differences() == []
    assert set(positions) == {0}


async def test_only_what_is_near_is_read(tmp_path: Path) -> None:
    past = await Past(Random(7), tmp_path, count=700).live()
    passage = await past.planner(at(500), at(510)).passage(0)
    assert passage is not None
    after, last = passage.inputs[INPUT]
    total = (await past.bus.ends([Place(INPUT, 0)]))[Place(INPUT, 0)]
    assert 0 < last - after < total / 2


class Biased(Counter):
    """A counter with a mistake."""

    def handle(self, event: Any, state: Any) -> Iterator[DataQualityIncident]:
        for found in super().handle(event, state):
            yield found.model_copy(update={"count": found.count + (found.count > 10)})


async def test_a_mutant_is_found(tmp_path: Path) -> None:
    past = await Past(Random(8), tmp_path).live()
    found, _ = await past.compared(past.planner(at(250), at(300), topology=topology(fives=Biased())))
    changed = [each for each in found.differences() if each.word == "changed" and each.row["stream"] == "incidents"]
    assert changed
    assert all(set(each.was) == {"count"} for each in changed)


async def test_a_task_that_is_gone_is_missed(tmp_path: Path) -> None:
    past = await Past(Random(8), tmp_path).live()
    less = topology()
    less = replace(less, placed=[item for item in less.placed if item.name != "threes"])
    found, _ = await past.compared(past.planner(at(250), at(300), topology=less))
    missing = [each.row for each in found.differences() if each.word == "missing" and each.row["stream"] == "incidents"]
    recorded = [e for e in await of_type(past.bus, DataQualityIncident) if at(250) <= e.time <= at(300)]
    assert 0 < len(missing) < len(recorded)


async def test_without_its_turn_the_order_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant of ``Turns``: what is written stands where it comes."""
    monkeypatch.setattr(Turns, "front", _nothing)
    differing = 0
    for seed in range(2):
        past = await Past(Random(seed), tmp_path / str(seed)).live()
        found, _ = await past.compared(past.planner(at(100), at(300), saved=None))
        differing += bool(found.differences())
    assert differing


async def _nothing(self: Turns, number: int = 0) -> None:
    return None


@dataclass
class Nothing:
    """A state of another shape."""

    told: int = 0


class Forgetful(Echo):
    """The same agent after somebody changed its state."""

    def start(self) -> Any:
        return Nothing()


async def test_a_state_that_does_not_fit_is_begun_anew_and_said(tmp_path: Path) -> None:
    past = await Past(Random(9), tmp_path).live()

    changed = topology(echo=Forgetful())
    passage = await past.planner(at(300), at(350), topology=changed).passage(0)
    assert passage is not None
    echo = [start for start in passage.starts if start.task.startswith("echo")]
    assert all(start.state is None and "begins anew" in start.note for start in echo if start.position)
    assert any(start.position for start in echo)


async def test_a_state_of_another_configuration_is_used_and_said(tmp_path: Path) -> None:
    past = await Past(Random(9), tmp_path).live()
    passage = await past.planner(at(300), at(350), topology=topology(echo=Echo(salt="!"))).passage(0)
    assert passage is not None
    notes = {start.task: start.note for start in passage.starts if start.position}
    assert [task for task, note in notes.items() if note] == [task for task in notes if task.startswith("echo")] != []


async def test_what_is_gone_is_named(tmp_path: Path) -> None:
    past = await Past(Random(10), tmp_path, saves=0.0).live()
    for number in range(PARTITIONS):
        for segment in (await past.archive.segments(Place(INPUT, number)))[:2]:
            await past.archive.drop(segment)
    with pytest.raises(NotFound, match=r"cannot begin on partition 0.*readings.acquired before \d+ is neither"):
        await past.planner(at(300), at(318)).passage(0)


async def test_log_and_archive_are_read_as_one(tmp_path: Path) -> None:
    past = await Past(Random(11), tmp_path).live()
    for number in range(PARTITIONS):
        for lane in past.lanes:
            await lane.save_if_due(now=True)
            await lane._save()
        for stream in (INPUT, "readings.accepted", "incidents"):
            await past.bus.trim(Place(stream, number), 1 << 40)
    assert (await past.bus.starts([Place(INPUT, 0)]))[Place(INPUT, 0)] > 1
    history = History(past.archive, past.bus)
    saved = Saved(past.archive, past.bus)
    comparison, positions = await past.compared(past.planner(at(300), at(318), history=history, saved=saved))
    assert comparison.differences() == []
    assert comparison.counts[0] > 0
    assert any(positions)


async def test_a_damaged_state_is_passed_over(tmp_path: Path) -> None:
    past = await Past(Random(12), tmp_path).live()
    task = f"fives<{INPUT}"
    passage = await past.planner(at(300), at(318)).passage(0)
    assert passage is not None
    position = next(start.position for start in passage.starts if start.task == task)
    path = past.archive.checkpoint_files._path(0, task, position)
    path.write_bytes(path.read_bytes()[:-3] + b"???")
    comparison, _ = await past.compared(past.planner(at(300), at(318)))
    assert comparison.differences() == []
    again = await past.planner(at(300), at(318)).passage(0)
    assert again is not None
    assert next(start.position for start in again.starts if start.task == task) < position
