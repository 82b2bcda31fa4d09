"""``tocsin top``: rates and times of the last interval, counts of all processes, a table that fits 100 columns."""

from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from agents.telemetry import Metrics, Reporter, families
from agents.topology import Placed, Topology
from bus.memory import MemoryBus
from console.look import TOTAL, Look
from console.standing import Observer
from console.top import _age, _short, _table
from contracts.events import ReadingsAcquired
from tests.unit.runtime.counting import Counter, Shelf, feed, home, plant, process

INPUT = ReadingsAcquired.stream
TASK = f"counter<{INPUT}"


@dataclass
class Scene:
    """A log, its data directory, and looks at both."""

    folder: Path
    bus: MemoryBus
    look: Look

    def report(self, name: str, metrics: Metrics) -> None:
        one = Reporter(self.folder, name, f"host/0a1b/{name}", metrics)
        one._write(one.report().json())


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    bus = MemoryBus(2)
    topology = Topology((Placed("a", "shelf", Shelf()), Placed("c", "counter", Counter())))
    return Scene(tmp_path, bus, Look(tmp_path, Observer(bus, topology)))


async def test_counts_of_all_processes_are_added(scene: Scene) -> None:
    for name, fenced in (("one", 2), ("two", 3)):
        metrics = Metrics()
        metrics.add(families.REFUSED, TASK, "fenced", amount=fenced)
        metrics.add(families.REFUSED, TASK, "moved")
        metrics.observe(families.RECOVERY, TASK, value=0.1)
        scene.report(name, metrics)
    row, total = await scene.look.rows()
    assert (row["refused"], row["fenced"], row["recoveries"]) == (7, 5, 2)
    assert (total["task"], total["refused"], total["processes"]) == (TOTAL, 7, ["one", "two"])


async def test_times_are_those_since_the_last_look_where_there_were_any(scene: Scene) -> None:
    metrics = Metrics()
    for _ in range(100):
        metrics.observe(families.COMMIT, TASK, value=0.0004)
    scene.report("one", metrics)
    assert (await scene.look.rows())[0]["commit_p99_s"] == 0.0005
    metrics.observe(families.COMMIT, TASK, value=2.0)
    scene.report("one", metrics)
    assert (await scene.look.rows())[0]["commit_p50_s"] == 2.5
    assert (await scene.look.rows())[0]["commit_p50_s"] == 0.0005, "nothing new: all there is"


async def test_a_process_that_began_anew_is_no_reason_for_negative_counts(scene: Scene) -> None:
    for count in (50, 3):
        metrics = Metrics()
        for _ in range(count):
            metrics.observe(families.COMMIT, TASK, value=0.003)
        scene.report("one", metrics)
        assert (await scene.look.rows())[0]["commit_p50_s"] == 0.005


async def test_the_rate_is_that_of_the_last_interval(scene: Scene) -> None:
    await feed(scene.bus, plant(300), 50)
    first = (await scene.look.rows())[0]
    assert (first["done"], first["behind"], first["per_second"]) == (0, 300, 0.0)
    await process(home(scene.bus), Counter())
    second = (await scene.look.rows())[0]
    assert (second["done"], second["behind"]) == (300, 0)
    assert second["per_second"] > 0


async def test_the_table_fits_a_hundred_columns(scene: Scene) -> None:
    await feed(scene.bus, plant(300), 50)
    out = StringIO()
    Console(file=out, width=100).print(_table(await scene.look.rows()))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert "dead letters 0" in lines[0]
    assert all(word in lines[1] for word in ("behind", "oldest", "pending", "p99", "refused", "owner"))
    assert TASK in lines[2]
    assert "300" in lines[2]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (9999, "9999"), (10_000, "10.0k"), (1_234_567, "1235k"), (98_765_432, "98.8M"), (3.14159, "3.142")],
)
def test_numbers_are_short(value: float, shown: str) -> None:
    assert _short(value) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(None, "-"), (-3.0, "0s"), (125.0, "2m5s"), (86_400.0 * 9, "9d")])
def test_ages_are_short(seconds: float | None, shown: str) -> None:
    assert _age(seconds) == shown
