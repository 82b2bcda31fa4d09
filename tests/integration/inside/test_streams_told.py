"""Streams and dead letters over a real socket: what is told of them, and what is decided."""

from pathlib import Path
from typing import Any

from agents.runtime.home import Home, dead_letter
from bus.protocol import Place
from contracts.events import (
    DeadLetterDropped,
    DeadLetterRedriven,
    PartitionStopped,
    Redriven,
)
from contracts.instants import SECOND
from tests.conftest import Servers
from tests.integration.inside.here import HOSTILE, SINK, TASK, inside
from tests.unit.runtime.counting import feed, of_type, plant
from tests.unit.runtime.test_sinking import STREAM, delivered, pager


async def test_tells_who_lags_what_is_stored_and_who_stands_still(servers: Servers, tmp_path: Path) -> None:
    async with inside(servers, tmp_path) as here:
        await feed(here.bus, plant(30), 10)
        told: dict[str, Any] = {
            "owner": "host/x/pipeline",
            "position": 0,
            "error": f"other outputs {HOSTILE}",
            "origin": "readings.accepted",
        }
        stopped = PartitionStopped.of(cause="x", time=SECOND, asset="anomaly", agent=TASK, **told)
        await here.put(stopped, partition=1)
        now = await here.get("/streams")
        tasks = {row["task"]: row for row in now["tasks"]}
        first = tasks["validation<readings.acquired"]
        assert (first["done"], first["behind"], first["owners"]) == (0, 30, [])
        assert first["oldest_unread"]
        streams = {row["stream"]: row for row in now["streams"]}
        assert streams["readings.acquired"]["events"] == streams["readings.acquired"]["held"] == 30
        assert streams["readings.acquired"]["memory"] > 0
        assert streams["readings.acquired"]["archived"] is None, "there is no archive"
        assert [(row["task"], row["partition"]) for row in now["stopped"]] == [(TASK, 1)]
        page = await here.page("/streams")
        assert "stands still" in page
        assert HOSTILE not in page
        assert "&lt;img src=x" in page


async def test_a_letter_that_is_redriven_is_delivered(servers: Servers, tmp_path: Path) -> None:
    """It is closed, the decision names who and why, and the sink gets it."""
    async with inside(servers, tmp_path) as here:
        letter = await here.bury("pump burns", 1)
        listed = await here.get("/letters")
        assert [row["id"] for row in listed["letters"]] == [letter]
        assert "subject=pump burns" in listed["letters"][0]["input"]
        await here.send(f"/letters/{letter[:10]}/redrive", {"by": "ann", "note": "disk was full"})
        assert (await here.get("/letters"))["count"] == 0
        (decision,) = await of_type(here.bus, DeadLetterRedriven)
        assert (decision.by, decision.why, decision.letter) == ("ann", "disk was full", letter)
        sink = pager()
        await delivered(Home(here.bus, "one"), sink, SINK)
        assert sink._calls == ["pump burns"]
        await here.send(f"/letters/{letter}/redrive", status=404)


async def test_all_of_a_task_are_redriven_and_no_others(servers: Servers, tmp_path: Path) -> None:
    async with inside(servers, tmp_path) as here:
        for number, subject in enumerate("abc", 1):
            await here.bury(subject, number)
        lost = await here.bury("d", 4, agent="pager.gone")
        done = await here.send("/letters/redrive", {"task": SINK})
        assert (len(done["letters"]), done["left"], done["waiting"]) == (3, {}, 0)
        assert [row["id"] for row in (await here.get("/letters"))["letters"]] == [lost]
        assert len(await of_type(here.bus, Redriven, STREAM)) == 3
        refused = await here.send("/letters/redrive", {"task": "pager.gone"})
        assert "nobody would handle it" in refused["left"][lost]
        assert (await here.send(f"/letters/{lost}/redrive", status=404))["error"].startswith("no task or sink")


async def test_letters_are_paged_in_their_order(servers: Servers, tmp_path: Path) -> None:
    async with inside(servers, tmp_path) as here:
        ids = [await here.bury(str(number), number) for number in range(5)]
        first = await here.get("/letters?limit=2")
        second = await here.get(f"/letters?limit=2&after={first['next']}")
        last = await here.get(f"/letters?limit=2&after={second['next']}")
        pages = [[row["id"] for row in page["letters"]] for page in (first, second, last)]
        assert pages == [ids[:2], ids[2:4], ids[4:]]
        assert last["next"] == 0
        assert (await here.get("/letters?task=nobody"))["letters"] == []
        for query in ("limit=0", "limit=1e3", "after=-1", "after=²", "limit=501"):
            await here.get(f"/letters?{query}", status=422)


async def test_a_letter_is_dropped_with_a_reason_and_stays_readable_in_the_log(
    servers: Servers, tmp_path: Path
) -> None:
    async with inside(servers, tmp_path) as here:
        letter = await here.bury(HOSTILE, 1)
        page = await here.page(f"/streams/letters/{letter}")
        assert HOSTILE not in page
        assert "OSError: nobody answers for &lt;img src=x" in page
        answer = await here.client.delete(f"/api/v1/letters/{letter}", params={"by": "ann", "note": "a test"})
        assert answer.json() == {"letters": [letter], "left": {}, "waiting": 0}
        (decision,) = await of_type(here.bus, DeadLetterDropped)
        assert (decision.by, decision.why) == ("ann", "a test")
        assert (await here.client.delete(f"/api/v1/letters/{letter}")).status_code == 404
        assert (await here.client.get(f"/streams/letters/{letter}")).status_code == 404


async def test_what_cannot_be_read_says_so_and_is_not_redriven(servers: Servers, tmp_path: Path) -> None:
    """It would only come back."""
    async with inside(servers, tmp_path) as here:
        letter = dead_letter(SINK, Place(STREAM, 0), 1, {}, OSError("x"), tries=1, time=SECOND)
        await here.put(letter, partition=0)
        assert "nothing of it is left" in (await here.get(f"/letters/{letter.id}"))["unreadable"]
        refused = await here.send(f"/letters/{letter.id}/redrive", status=409)
        assert "nothing of it is left" in refused["error"]
        assert "nothing of it is left" in await here.page(f"/streams/letters/{letter.id}")
