"""A series over HTTP and as a page: every question gets an answer that fits its description, or a refusal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np

from bus.memory import MemoryBus
from bus.protocol import Place
from console.api.messages.series import SeriesMessage
from contracts.events import ReadingsAccepted
from contracts.frames import encode
from contracts.identity import partition_of
from contracts.instants import SECOND, iso
from contracts.readings import Readings, Series
from contracts.settings import ArchiveSettings, Settings
from tests.apis import running_api
from tests.unit.console.curves.plant import readings
from tests.unit.notification.made import T0, anomaly, cleared, drift

ONE = "/api/v1/series/pump/temperature"
ODD = "späne <img onerror=x> 100%?#"


@asynccontextmanager
async def asked(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """An interface to a log with 100 readings, an anomaly and a drift, and a series with an odd name."""
    bus = MemoryBus(2)
    first = anomaly(50)
    at, named = np.arange(3), [Series("s", "pump", ODD)]
    odd = ReadingsAccepted(Readings.of(named, at * 0, T0 + at * SECOND, at.astype(np.float64), at))
    batch = ReadingsAccepted(readings(np.arange(100), np.arange(100) / 2))
    for event in (odd, batch, first, cleared(first, 10), drift(90)):
        await bus.append(Place(event.stream, partition_of("pump", 2)), list(encode([event], "test")))
    settings = Settings(data_dir=folder, archive=ArchiveSettings(enabled=False))
    async with (
        running_api(bus, settings) as running,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}") as client,
    ):
        yield client


async def test_a_series_is_told_as_it_is_described(tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        found = (await client.get(ONE)).json()
        SeriesMessage.model_validate_json(SeriesMessage.model_validate(found).model_dump_json(by_alias=True))
        assert (found["from"], found["to"]) == (iso(T0), iso(T0 + 99 * SECOND))
        assert found["curve"]["v"] == [number / 2 for number in range(100)]
        assert found["curve"]["t"][1] == (T0 + SECOND) / 1e6
        assert (found["latest_value"], found["complete"], found["missing"]) == (49.5, True, [])
        assert [(each["kind"], each["open"]) for each in found["marks"]] == [("drift", False), ("anomaly", False)]
        part = (await client.get(ONE, params={"from": iso(T0 + 10 * SECOND), "to": iso(T0 + 20 * SECOND)})).json()
        assert part["curve"]["v"] == [number / 2 for number in range(10, 21)]
        thin = (await client.get(ONE, params={"points": 4, "from": "begin", "method": "lttb"})).json()
        assert (len(thin["curve"]["t"]), thin["curve"]["raw"], thin["curve"]["count"]) == (4, False, 100)
        assert len((await client.get(ONE, params={"last": 5})).json()["curve"]["t"]) == 6


REFUSED = (
    "points=0", "points=1", "points=10001", "points=x", "points=-5", "points=%C2%B2", "points=" + "9" * 30,
    "method=best", "from=yesterday", "from=2026-01-01", "to=0001-01-01T00:00:00%2B14:00", "last=0", "last=-1",
    "last=9999999999", "last=5&from=begin", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "score=yes",
    "from=%00", "to=9999-12-31T23:59:59-14:00",
)  # fmt: skip
ODD_RANGES = {
    "from=1000-01-01T00:00:00Z": 100, "to=9999-12-31T23:59:59Z": 0, "last=7000000000": 100,
    "from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z": 100, "to=1700-01-01T00:00:00Z&last=1": 0,
    "points=2": 100, "points=10000": 100,
}  # fmt: skip
NONE = ("pump/none", "pump/%00", "pump/%7B0%7D", "pump/" + "x" * 300, "%E2%80%AE/x", "%20/%20")


async def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        for query in REFUSED:
            found = await client.get(f"{ONE}?{query}")
            assert (found.status_code, bool(found.json()["error"])) == (422, True), query


async def test_the_ends_of_time_are_ranges_like_others(tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        for query, count in ODD_RANGES.items():
            found = await client.get(f"{ONE}?{query}")
            assert (found.status_code, found.json()["curve"]["count"]) == (200, count), query


async def test_of_no_series_there_is_nothing(tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        for path in NONE:
            found = await client.get(f"/api/v1/series/{path}")
            assert (found.status_code, found.json()["kind"]) == (404, "not found"), path


async def test_the_page_writes_names_as_text_and_says_what_can_be_no_name(tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        assert (await client.get(f"/api/v1/series/pump/{quote(ODD, safe='')}")).json()["curve"]["v"] == [0.0, 1.0, 2.0]
        page = await client.get(f"/series/pump/{quote(ODD, safe='')}")
        assert page.status_code == 200
        assert "<img" not in page.text
        assert 'data-channel="späne &lt;img onerror=x&gt; 100%?#"' in page.text
        none = await client.get("/series/pump/%7B0%7D")
        assert none.status_code == 404
        assert "No such series" in none.text
