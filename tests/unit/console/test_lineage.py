"""``tocsin lineage`` without processes: what it finds both ways, and what it says when something is not there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.coordinator.index import kept
from agents.coordinator.index.store import key
from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Place
from bus.saved import Saved
from console.lineage import walked
from console.options import Choices, Loaded
from console.past.record import Record
from console.walks.graph import graph_back, graph_forth
from console.walks.mermaid import mermaid
from console.walks.shown import show_back, show_forth
from contracts.errors import NotFound
from contracts.events import AnomalyDetected, Event, Evidence, LineageRecorded, ModelPublished, ReadingsAccepted
from contracts.frames import encode
from contracts.instants import EARLIEST, LATEST
from contracts.readings import Readings, Series
from models.bundle import Bundle, builtin
from models.cache import BundleCache

SECOND = 1_000_000_000
ASSET = "pump-1"


@pytest.fixture(scope="module")
def made() -> Bundle:
    return builtin("ewma")


def alert(number: int, bundle: str, channel: str = "flow") -> AnomalyDetected:
    return AnomalyDetected.of(
        cause=f"r{number}", time=number * SECOND, asset=ASSET, channel=channel, score=0.97, threshold=0.9,
        reason="level", value=1.5, detector="ewma", bundle=bundle, feature_set="f" * 32, environment="e" * 32,
        evidence=Evidence(stream="readings.accepted", first=max(1, number - 4), last=number),
    )  # fmt: skip


async def put(bus: MemoryBus, *events: Event | ReadingsAccepted, partition: int = 0) -> None:
    for event in events:
        await bus.append(Place(event.stream, partition), list(encode([event], "w")))


class Asked:
    """A log with 100 readings of two channels, and alerts of three models; partition 0 holds everything."""

    def __init__(self, data_dir: Path) -> None:
        self.bus = MemoryBus(1)
        self.loaded: Loaded = Choices(data_dir=data_dir).load()

    async def begin(self, made: Bundle) -> "Asked":
        at = np.arange(1, 101)
        series = [Series("file", ASSET, "flow"), Series("file", ASSET, "heat")]
        readings = Readings.of(series, at % 2, at * SECOND, at / 2.0, at)
        await put(self.bus, *(ReadingsAccepted(part) for part in readings.cut(7)))
        await put(self.bus, alert(10, made.digest), alert(20, "b" * 64), alert(30, "b" * 64), alert(40, "c" * 64, ""))
        told = LineageRecorded.of(
            cause="1", time=0, asset="c", run_id="run-1", findings="anomalies", first=1, last=2, digest="d"
        )
        await put(self.bus, told)
        for number, bundle in ((1, "b" * 64), (2, "c" * 64), (3, made.digest)):
            about = {"name": "pumps" if number < 3 else "other", "model_version": str(number), "bundle": bundle}
            await put(
                self.bus, ModelPublished.of(cause=bundle, time=0, asset="c", run_id=f"training-{number}", **about)
            )
        BundleCache(self.loaded.settings.data_dir).put(made)
        return self

    async def about(self, what: str, since: int = EARLIEST, until: int = LATEST, most: int = 9) -> dict[str, Any]:
        record = Record(History(None, self.bus), Saved(None, self.bus), "log")
        return await walked(record, self.loaded, what, (since, until), most)

    async def times(self, what: str, since: int = EARLIEST, until: int = LATEST) -> list[str]:
        """When the alerts were that come from there."""
        return [row["time"][17:19] for row in (await self.about(what, since, until))["alerts"]]


@pytest.fixture
async def asked(tmp_path: Path, made: Bundle) -> Asked:
    return await Asked(tmp_path).begin(made)


async def test_an_alert_leads_to_its_readings_model_and_run(asked: Asked, made: Bundle) -> None:
    wanted = alert(10, made.digest)
    found = await asked.about(wanted.id[:10])
    assert found["alert"]["id"] == wanted.id
    assert [row["position"] for row in found["readings"]] == [6, 8, 10], "its own channel alone"
    assert (found["model"]["name"], found["model"]["version"]) == ("other", "3")
    assert found["mlflow_run_id"] == "run-1"
    assert found["training"]["kind"] == "none"
    assert found["missing"] == {}


async def test_what_is_not_known_of_an_alert_is_said(asked: Asked) -> None:
    found = await asked.about(alert(30, "b" * 64).id)
    assert found["mlflow_run_id"] is None
    assert set(found["missing"]) == {"bundle", "feature_set", "training", "environment", "mlflow_run_id"}


async def test_a_finding_of_an_agent_without_a_model_says_so(asked: Asked) -> None:
    """Nothing of it is late or lost: there is none."""
    await put(asked.bus, alert(50, ""))
    found = await asked.about(alert(50, "").id)
    assert set(found["missing"]) == {"bundle", "training", "mlflow_run_id"}
    assert found["missing"]["bundle"] == "no model was loaded: ewma is part of the agent"
    assert "no model" in [line for box in graph_back(found).boxes for line in box.lines]


async def test_a_bundle_that_was_asked_for_is_drawn_once(asked: Asked) -> None:
    graph = graph_forth(await asked.about("b" * 64))
    assert [box.lines[0] for box in graph.boxes] == [f"bundle {'b' * 16}", "2 findings", "pump-1/flow"]
    assert [(start, end, label) for start, end, label in graph.arrows] == [(0, 1, "2"), (1, 2, "2")]


async def test_an_alert_about_a_whole_asset_is_about_all_channels(asked: Asked) -> None:
    found = await asked.about(alert(40, "c" * 64, "").id)
    assert [row["position"] for row in found["readings"]] == [36, 37, 38, 39, 40]


async def test_models_lead_to_their_alerts(asked: Asked, made: Bundle) -> None:
    assert await asked.times("pumps") == ["20", "30", "40"]
    assert await asked.times("pumps/1") == ["20", "30"]
    assert await asked.times("other") == ["10"]
    assert await asked.times("b" * 64) == ["20", "30"]
    assert await asked.times(made.digest[:16]) == ["10"]
    found = await asked.about("pumps", most=1)
    assert (found["findings"], len(found["alerts"]), found["left_out"]) == (3, 1, 2)
    assert (found["first"], found["last"]) == ("1970-01-01T00:00:20Z", "1970-01-01T00:00:40Z")
    assert [(row["channel"], row["findings"]) for row in found["series"]] == [("flow", 2), ("", 1)]


async def test_readings_lead_to_the_alerts_that_name_them(asked: Asked) -> None:
    assert await asked.times("readings.accepted/0:20-26") == ["20", "30"]
    assert await asked.times("readings.accepted/0:50-60") == []
    assert await asked.times(f"{ASSET}/flow") == ["10", "20", "30", "40"]
    assert await asked.times(f"{ASSET}/heat") == ["40"]
    assert await asked.times(ASSET) == ["10", "20", "30", "40"]
    # Readings at even seconds are of flow: none of it was there from 31 to 31.
    assert await asked.times(f"{ASSET}/flow", 26 * SECOND, 30 * SECOND) == ["30"]
    with pytest.raises(NotFound):
        await asked.times(f"{ASSET}/flow", 31 * SECOND, 31 * SECOND)


async def test_a_series_without_alerts_is_known_by_its_readings(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    at = np.arange(1, 11)
    await put(asked.bus, ReadingsAccepted(Readings.of([Series("f", "fan", "heat")], at * 0, at * SECOND, at / 2.0, at)))
    found = await asked.about("fan/heat")
    assert (found["findings"], found["of"]["readings"][0]["last"]) == (0, 10)


@pytest.mark.parametrize("what", ["feedfacefeed", "nobody", "pumps/9", "pump-2/flow", "§"])
async def test_what_nobody_knows_is_not_found(what: str, asked: Asked) -> None:
    with pytest.raises(NotFound, match="no finding has the id"):
        await asked.about(what)


async def test_an_ambiguous_beginning_names_the_ids(asked: Asked) -> None:
    await put(asked.bus, *(alert(number, "b" * 64) for number in range(50, 90)))
    with pytest.raises(NotFound, match=r"is the beginning of \d ids or more: "):
        await asked.about(alert(50, "b" * 64).id[0])


async def test_an_index_that_points_elsewhere_is_made_anew(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    index = await kept(asked.loaded.settings.data_dir, asked.bus, "log", lambda text: None)
    wanted = alert(20, "b" * 64)
    index.connection.execute("UPDATE findings SET at = at + 1 WHERE at & 65535 = 4")
    index.connection.execute("UPDATE findings SET id = ? WHERE at & 65535 = 3", (key(wanted.id),))
    index.connection.execute("DELETE FROM findings WHERE at & 65535 = 2")
    index.close()
    assert (await asked.about(wanted.id))["alert"]["position"] == 2
    assert "made anew" in capsys.readouterr().err


async def test_nobody_is_told_that_an_alert_is_not_there_by_a_damaged_index(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    index = await kept(asked.loaded.settings.data_dir, asked.bus, "log", lambda text: None)
    run = index.connection.execute
    # A tree that lost all of its entries, as by a page of zeros.
    run("DROP INDEX by_id")
    run("CREATE INDEX by_id ON findings (id) WHERE time < -1")
    run("PRAGMA writable_schema = ON")
    run("UPDATE sqlite_schema SET sql = 'CREATE INDEX by_id ON findings (id)' WHERE name = 'by_id'")
    index.close()
    assert (await asked.about(alert(20, "b" * 64).id))["alert"]["position"] == 2
    assert "made anew" in capsys.readouterr().err


async def test_people_and_charts_get_the_same(asked: Asked, made: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    back, forth = await asked.about(alert(10, made.digest).id), await asked.about("pumps")
    show_back(back)
    show_forth(forth)
    said = capsys.readouterr().out
    for words in ("3 raw readings", "model other version 3", "MLflow run run-1", "3 findings", "pump-1/flow: 2"):
        assert words in said
    for chart, words in ((mermaid(graph_back(back)), "run-1"), (mermaid(graph_forth(forth)), "pumps version 2")):
        first, *lines = chart.splitlines()
        assert first == "flowchart LR"
        assert words in chart
        assert all(line.endswith('"]') or " --> " in line or " -->|" in line for line in lines)


def charted(name: str) -> Sequence[str]:
    of = {"kind": "series", "name": name, "bundles": [], "trained": [], "readings": [{}]}
    rows = [{"asset": name, "channel": "", "findings": 1, "first": "a", "last": "b"}]
    found = {"of": of, "models": [], "findings": 1, "first": "a", "last": "b", "series": rows}
    return mermaid(graph_forth(found)).splitlines()


@pytest.mark.parametrize("name", ['x"] --> n9["', "a|b", "<script>", "end", "`x`", "a]b", "100 %%"])
def test_names_from_outside_cannot_draw(name: str) -> None:
    assert [line.partition("[")[0] for line in charted(name)] == [line.partition("[")[0] for line in charted("plain")]
    assert "<script>" not in "".join(charted(name))
