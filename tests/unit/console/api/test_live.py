"""``/api/v1/live`` and ``/api/v1/fleet`` over a socket: what a browser is told of the present."""

import json
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from bus.memory import MemoryBus
from bus.protocol import Place
from console.api.live import MOST_SERIES
from console.api.messages.fleet import FleetColumns
from contracts.events import ModelServed
from contracts.frames import encode
from contracts.identity import partition_of
from contracts.readings import Verdict
from tests.apis import Client, RunningApi, alerts, put, running_api, until
from tests.fleets import anomaly, drifted, incident, readings, rejections


def live(api: RunningApi, query: str) -> Client:
    return Client(api.port, query, path="/api/v1/live")


async def fleet(api: RunningApi, query: str = "", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://localhost:{api.port}") as client:
        return await client.get(f"/api/v1/fleet{query}", headers=headers)


async def told(client: Client, name: str) -> dict[str, Any]:
    """The next message of this name."""
    while True:
        kind, data = await client.event()
        if kind == name:
            return data


async def test_readings_of_the_watched_series_come_and_no_others() -> None:
    bus = MemoryBus(2)
    async with running_api(bus) as api, live(api, "?topic=readings&series=a/x&series=b/y") as client:
        assert (client.status, client.answer["content-type"]) == (200, "text/event-stream; charset=utf-8")
        await client.block()
        await readings(bus, ["a/x", "a/other"], [1, 1], [10, 20])
        await readings(bus, ["b/y"], [2.5], [30])
        found: dict[str, Any] = {}
        while len(found) < 2:
            found |= (await told(client, "readings"))["series"]
    assert found == {"a/x": {"t": [1000], "v": [10]}, "b/y": {"t": [2500], "v": [30]}}


async def test_at_most_25_messages_come_in_a_second_and_every_reading() -> None:
    """What comes faster goes together."""
    bus, seen, messages = MemoryBus(1), list[float](), 0
    async with running_api(bus) as api, live(api, "?topic=readings&series=a/x") as client:
        await client.block()
        begin = anyio.current_time()
        for n in range(200):
            await readings(bus, ["a/x"], [n], [n])
            await anyio.sleep(0.002)
        while len(seen) < 200:
            seen += (await told(client, "readings"))["series"]["a/x"]["v"]
            messages += 1
        took = anyio.current_time() - begin
    assert seen == list(range(200))
    assert messages <= 25 * took + 1


async def test_a_client_that_takes_nothing_delays_nobody() -> None:
    """Its readings are left out, not kept: what waits for it is bounded."""
    bus = MemoryBus(1)
    query = "?topic=readings&series=a/x"
    async with running_api(bus) as api, live(api, query) as slow, live(api, query) as client:
        await slow.block()
        await client.block()
        await until(lambda: api.application.watch.size == 2)
        slow._reader._transport.pause_reading()
        viewers = [one.viewer for one in api.application.watch._all]
        seen = count = 0
        # Until everything between the two is full, and more than may wait has come since.
        while not any(viewer._left_out for viewer in viewers):
            await readings(bus, ["a/x"] * 4_000, [1.7e9 + n * 0.1234567 for n in range(4_000)], [1 / 3] * 4_000)
            count += 4_000
            while seen < count:
                message = await told(client, "readings")
                seen += len(message["series"]["a/x"]["v"]) + message.get("left_out", 0)
        assert seen == count
        assert max(viewer._waiting for viewer in viewers) <= 20_000


async def test_marks_are_drawn_on_the_series_that_they_are_about() -> None:
    """Of an asset as a whole on each of its series that is watched; nobody else's."""
    bus = MemoryBus(2)
    await readings(bus, ["a/x", "a/y"], [1, 1], [1, 1])
    await readings(bus, ["b/x"], [1], [1])
    home = partition_of("a", 2)
    async with running_api(bus) as api, live(api, "?topic=mark&series=a/x&series=b/x") as client:
        await client.block()
        assert (await fleet(api)).json()["count"] == 3
        for event in (anomaly("a", "x"), anomaly("a", "y"), anomaly("a"), drifted("b", "x"), incident("a", "x")):
            await put(bus, [event], partition_of(event.asset, 2))
        await rejections(bus, ["a/x", "a/y", "a/x"], [2, 2, 3], Verdict.OUT_OF_RANGE)
        served = ModelServed.of(cause="c", time=5_000_000, asset="a", agent="anomaly", bundle="f" * 64)
        await bus.append(Place(ModelServed.stream, home), list(encode([served], "test")))
        found = [await told(client, "mark") for _ in range(6 + (partition_of("b", 2) == home))]
    said = sorted((mark["series"], mark["kind"], mark["text"]) for mark in found if mark["kind"] != "model")
    assert said == [
        ("a/x", "anomaly", "anomaly, score 0.90"), ("a/x", "anomaly", "anomaly, score 0.90"),
        ("a/x", "gap", "stale: silent for 2 min"), ("a/x", "rejected", "2 rejected: out of range"),
        ("b/x", "drift", "drift of mean (up)"),
    ]  # fmt: skip
    assert {
        "series": "a/x",
        "kind": "model",
        "t": 5,
        "text": "anomaly scores with ffffffffffff",
        "id": served.id,
    } in found


async def test_alerts_are_told_as_the_events_tell_them() -> None:
    bus = MemoryBus(1)
    async with running_api(bus) as api, live(api, "?topic=alert") as client, Client(api.port) as other:
        await client.block()
        await other.block()
        await put(bus, alerts(1, 1))
        assert await told(client, "alert") == (await other.event())[1]


@pytest.mark.parametrize(
    "query", ["", "?topic=nothing", "?topic=readings&other=1", "?topic=readings&series=noslash",
              "?topic=readings&series=" + "a" * 300 + "/b"],
)  # fmt: skip
async def test_what_cannot_be_watched_is_refused(query: str) -> None:
    async with running_api(MemoryBus(1)) as api, live(api, query) as client:
        assert client.status == 422


async def test_as_many_series_as_may_be_are_watched_and_no_more() -> None:
    async with running_api(MemoryBus(1)) as api:
        for count, status in ((MOST_SERIES, 200), (MOST_SERIES + 1, 422)):
            query = "".join(f"&series=a/{n}" for n in range(count))
            async with live(api, f"?topic=readings{query}") as client:
                assert client.status == status


async def test_as_many_watch_as_may_and_one_more_when_one_is_gone() -> None:
    async with running_api(MemoryBus(1), subscribers=2) as api:
        query = "?topic=alert"
        async with live(api, query), live(api, query), live(api, query) as third:
            assert third.status == 503
        await until(lambda: api.application.watch.size == 0)
        async with live(api, "?topic=alert") as again:
            assert again.status == 200


async def test_who_comes_back_sees_whether_it_missed_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """The greeting says up to where everything was told."""
    monkeypatch.setattr("console.api.streaming.hub._LOOK_S", 0.05)
    bus = MemoryBus(1)
    async with running_api(bus) as api:
        client = live(api, "?topic=fleet")
        async with client:
            first = await told(client, "fleet")
            await readings(bus, ["a/x"], [1], [1])
            news = await told(client, "fleet")
        assert (first["hello"], news["facts"]["channel"], news["moved"]["value"]) == (True, ["x"], [1])
        async with live(api, "?topic=fleet") as other:
            await told(other, "fleet")
            await readings(bus, ["a/x"], [2], [2])
            while (await told(other, "fleet"))["moved"]["value"] != [2]:
                pass
            async with client:
                hello = await told(client, "fleet")
        assert hello["version"] > news["version"]
        assert hello["epoch"] == first["epoch"]


async def test_the_fleet_is_found_in_the_log_and_kept_up_to_date() -> None:
    """What was there before somebody asked, and what came since."""
    bus = MemoryBus(2)
    await readings(bus, ["a/x", "a/x"], [1, 2], [10, 20])
    await put(bus, [drifted("a", "x")], partition_of("a", 2))
    async with running_api(bus) as api:
        first = FleetColumns.model_validate_json((await fleet(api)).content)
        assert (first.asset, first.value, first.time, first.drift, first.state) == (
            ["a"],
            [20],
            [2000],
            ["mean"],
            ["drift"],
        )
        assert first.arrived == [None]
        await readings(bus, ["a/x"], [3], [30])
        await readings(bus, ["b/y"], [3], [1])
        await put(bus, [incident("b", "y")], partition_of("b", 2))
        with anyio.fail_after(10):
            while (found := (await fleet(api)).json())["state"] != ["drift", "gap"]:
                pass
        assert found["value"] == [30, 1]
        assert found["summary"]["gaps"] == found["summary"]["drifts"] == 1
        assert found["arrived"][0] is not None


async def test_ten_thousand_series_come_in_pages_and_as_they_fit() -> None:
    bus = MemoryBus(4)
    for first in range(0, 10_000, 500):
        asset = f"m{first // 500}"
        await readings(bus, [f"{asset}/c{n}" for n in range(500)], [1.0] * 500, [1.0] * 500)
    async with running_api(bus) as api:
        seen, after = list[str](), ""
        while True:
            page = FleetColumns.model_validate_json((await fleet(api, f"?limit=4000{after}")).content)
            seen += [f"{asset}/{channel}" for asset, channel in zip(page.asset, page.channel, strict=True)]
            assert page.count == 10_000
            if not page.next:
                break
            after = f"&after={page.next}"
        assert len(set(seen)) == len(seen) == 10_000
        found = (await fleet(api, "?match=M7/C49&limit=20")).json()
        assert (found["count"], set(found["asset"])) == (11, {"m7"})


async def test_what_did_not_change_is_not_sent_again() -> None:
    bus = MemoryBus(1)
    await readings(bus, ["a/x"], [1], [1])
    async with running_api(bus) as api:
        mark = (await fleet(api)).headers["etag"]
        assert (await fleet(api, "", **{"If-None-Match": mark})).status_code == 304
        assert (await fleet(api, "?match=x", **{"If-None-Match": mark})).status_code == 200
        await readings(bus, ["a/x"], [2], [1])
        with anyio.fail_after(10):
            while (await fleet(api, "", **{"If-None-Match": mark})).status_code == 304:
                pass


@pytest.mark.parametrize(
    "query", ["?state=bad", "?severity=bad", "?limit=0", "?limit=99999", "?limit=x", "?after=x-1", "?after=-",
              "?other=1", "?limit=%D9%A3"],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(query: str) -> None:
    async with running_api(MemoryBus(1)) as api:
        answer = await fleet(api, query)
        assert (answer.status_code, json.loads(answer.content)["kind"]) == (422, "bad request")


async def test_readings_that_name_no_series_make_none() -> None:
    """Whatever a source sends: what validation turned away for its name is not in the fleet."""
    bus = MemoryBus(1)
    await readings(bus, ["a/x"], [1], [1])
    async with running_api(bus) as api:
        await fleet(api)
        await rejections(bus, ["a/*"], [1], Verdict.NOT_A_NUMBER)
        await rejections(bus, ["a/many"], [1], Verdict.TOO_MANY_SERIES)
        await rejections(bus, ["a/never"], [1], Verdict.NOT_A_NUMBER)
        with anyio.fail_after(10):
            while (found := (await fleet(api)).json())["count"] < 2:
                pass
        assert (found["channel"], found["value"][1]) == (["x", "never"], None)


async def test_nothing_is_read_when_nobody_has_looked_for_some_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """And who asks then sees what came meanwhile."""
    monkeypatch.setattr("console.watching.watch._KEPT_S", 0.05)
    monkeypatch.setattr("console.api.streaming.hub._LOOK_S", 0.05)
    bus = MemoryBus(1)
    async with running_api(bus) as api:
        await fleet(api)
        await until(lambda: not api.application.hub.tails)
        await readings(bus, ["a/x"], [1], [1])
        assert (await fleet(api)).json()["count"] == 1


async def test_who_comes_back_to_a_stream_that_only_the_page_read_misses_nothing() -> None:
    """What was handed to the page alone was not kept for others: they read the log."""
    bus = MemoryBus(1)
    async with running_api(bus) as api, live(api, "?topic=alert") as page:
        await page.block()
        client = Client(api.port)
        async with client:
            await client.block()
        # As long as it is there, what comes is kept for it.
        await until(lambda: api.application.hub.size == 0)
        await put(bus, alerts(0, 5))
        assert [(await told(page, "alert"))["alert"] for _ in range(5)] == [f"a{n}" for n in range(5)]
        async with client:
            assert [row["alert"] for row in await client.events(5)] == [f"a{n}" for n in range(5)]
            await put(bus, alerts(5, 1))
            assert [row["alert"] for row in await client.events(1)] == ["a5"]
            assert (await told(page, "alert"))["alert"] == "a5"


async def test_the_page_is_told_of_the_present_where_it_cannot_keep_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of readings is passed over up to near its end."""
    monkeypatch.setattr("console.api.streaming.hub._LOOK_S", 0.05)
    monkeypatch.setattr("console.api.streaming.hub._FAR", 1_000)
    monkeypatch.setattr("console.api.streaming.hub._NEAR", 10)
    bus, gate = MemoryBus(1), anyio.Event()
    read = bus.read

    async def held(*args: Any, **kwargs: Any) -> Any:
        await gate.wait()
        return await read(*args, **kwargs)

    async with running_api(bus) as api, live(api, "?topic=readings&series=a/x") as client:
        await client.block()
        monkeypatch.setattr(bus, "read", held)
        await anyio.lowlevel.checkpoint()
        for first in range(0, 5_000, 10):
            await readings(bus, ["a/x"] * 10, list(range(first, first + 10)), [1.0] * 10)
        seen: list[float] = []
        hub = api.application.hub
        await until(lambda: hub.tails["readings.accepted"].head[0] >= 4_900)
        gate.set()
        while not seen or seen[-1] < 4_999_000:
            seen += (await told(client, "readings"))["series"]["a/x"]["t"]
    assert len(seen) < 4_000


async def test_what_is_handed_on_twice_counts_once() -> None:
    """As where a subscriber joined a stream that only the page read."""
    bus, place = MemoryBus(1), Place("readings.accepted", 0)
    async with running_api(bus) as api:
        watch = api.application.watch
        found = await watch.fleet()
        await readings(bus, ["a/x"] * 5, [1, 2, 3, 4, 5], [1] * 5)
        await until(lambda: len(found) == 1)
        watch.take(place, await bus.range(place, 1, 5, count=10))
        assert found.columns.recent.sum() == 5
