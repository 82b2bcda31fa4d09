"""The push source, over a real server on a free port."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import pytest
from pydantic import ValidationError

from agents.acquisition import HttpPush, intake
from agents.parts import Harvest
from contracts.errors import Unavailable
from contracts.readings import Quality
from tests.clusters import free_ports
from tests.unit.acquisition.reads import AT, AT_NS, Row, rows_of

ONE = {"asset": "p", "channel": "t", "time": AT, "value": 1.5}
READINGS, WRITE = "/api/v1/readings", "/api/v1/write"


def free_port() -> int:
    return free_ports(1)[0]


@dataclass
class Log:
    """Stands for the runtime: takes the harvests, and settles each as ``verdict`` says."""

    harvests: list[Harvest] = field(default_factory=list)
    verdict: Callable[[Harvest], BaseException | None] = lambda _: None
    running: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.running.set()

    async def take(self, source: AsyncIterator[Harvest]) -> None:
        async for harvest in source:
            await self.running.wait()
            error = self.verdict(harvest)
            if error is None:
                self.harvests.append(harvest)
            assert harvest.settled is not None
            harvest.settled(error)

    def rows(self) -> list[Row]:
        return rows_of(self.harvests)


@asynccontextmanager
async def pushing(
    log: Log | None = None, resume: str | None = None, **settings: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, Log]]:
    source = HttpPush(port=free_port(), **settings)
    log = log or Log()
    found = cast("Any", source.harvests("push", resume, lambda: AT_NS))
    taking = asyncio.create_task(log.take(found))
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{source.port}", trust_env=False) as client:
            for _ in range(200):
                try:
                    await client.get("/")
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.02)
            yield client, log
    finally:
        taking.cancel()
        await asyncio.wait([taking])
        await found.aclose()


async def test_json_single_list_and_columns_become_readings() -> None:
    """Each with its own position; the answer counts them."""
    columns = {"asset": "p", "channel": "u", "times": [1767323045, "x"], "values": [1, 2], "quality": "bad"}
    async with pushing() as (client, log):
        assert (await client.post(READINGS, json=ONE)).json()["accepted"] == 1
        answer = await client.post(READINGS, json=[ONE | {"value": None}, columns])
    assert answer.status_code == 200
    assert answer.json() == {
        "accepted": 1,
        "rejected": 2,
        "rejections": [
            {"index": 0, "verdict": "missing", "note": "null"},
            {"index": 2, "verdict": "bad time", "note": "neither ISO 8601 nor a number: x"},
        ],
        "repeated": False,
    }
    assert [(r.position, r.channel, r.time, r.value, r.quality) for r in log.rows()] == [
        (1, "t", AT_NS, "1.5", Quality.GOOD),
        (2, "t", AT_NS, "nan", Quality.GOOD),
        (3, "u", AT_NS, "1.0", Quality.BAD),
        (4, "u", AT_NS, "nan", Quality.BAD),
    ]


async def test_lines_become_readings() -> None:
    """204 when all are good; else 200 and what was wrong."""
    async with pushing() as (client, log):
        good = await client.post(WRITE, content=b"m,host=h t=1,u=2i 1767323045", params={"precision": "s"})
        mixed = await client.post(WRITE, content=b'm t="x"\nnonsense\nm t=3')
        wrong = await client.post(WRITE, content=b"m t=1", params={"precision": "h"})
    assert (good.status_code, good.content) == (204, b"")
    assert mixed.json()["rejected"] == 2
    assert (wrong.status_code, wrong.json()["error"]) == (400, "no such precision: 'h'")
    assert [(r.asset, r.channel, r.time, r.verdict.name) for r in log.rows()] == [
        ("h", "t", AT_NS, "OK"),
        ("h", "u", AT_NS, "OK"),
        ("m", "t", AT_NS, "NOT_A_NUMBER"),
        ("push", "*", AT_NS, "MALFORMED_ROW"),
        ("m", "t", AT_NS, "OK"),
    ]


async def test_success_is_answered_only_when_the_log_has_it() -> None:
    """Not before, and never when the log refused."""
    log = Log()
    log.running.clear()
    async with pushing(log) as (client, _):
        sending = asyncio.create_task(client.post(READINGS, json=ONE))
        await asyncio.wait([sending], timeout=0.3)
        assert not sending.done()
        log.running.set()
        assert (await sending).status_code == 200
        log.verdict = lambda _: OSError("disk full")
        refused = await client.post(READINGS, json=ONE)
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert "disk full" in refused.json()["error"]
    assert len(log.rows()) == 1


async def test_a_repeated_key_answers_again_and_enters_once() -> None:
    """Also while the first is on its way, and after a restart; another body is refused."""
    log, key = Log(), {"Idempotency-Key": "k"}
    log.running.clear()
    async with pushing(log) as (client, _):
        both = [asyncio.create_task(client.post(READINGS, json=ONE, headers=key)) for _ in range(2)]
        await asyncio.wait(both, timeout=0.3)
        assert (await client.post(READINGS, json=[ONE], headers=key)).status_code == 422
        log.running.set()
        answers = [(await one).json() for one in both]
        assert [answer["accepted"] for answer in answers] == [1, 1]
        assert sorted(answer["repeated"] for answer in answers) == [False, True]
        assert (await client.post(READINGS, json=ONE, headers=key)).json()["repeated"]
        assert (await client.post(READINGS, json=[ONE], headers=key)).status_code == 422
        assert (await client.post(READINGS, json=ONE)).json()["repeated"] is False
    async with pushing(resume=log.harvests[-1].resume) as (client, after):
        assert (await client.post(READINGS, json=ONE, headers=key)).json()["repeated"]
        await client.post(READINGS, json=ONE)
    assert [row.position for row in (*log.rows(), *after.rows())] == [1, 2, 3]


async def test_a_request_that_may_be_in_the_log_gets_its_old_positions_again() -> None:
    """After a crash between commit and answer: the log leaves out what it has. Nobody else gets them."""
    key = {"Idempotency-Key": "k"}
    async with pushing() as (client, log):
        await client.post(READINGS, json=ONE)
        await client.post(READINGS, json=[ONE, ONE], headers=key)
    assert [row.position for row in log.rows()] == [1, 2, 3]
    async with pushing(resume=log.harvests[-1].resume) as (client, again):
        answer = await client.post(READINGS, json=[ONE, ONE], headers=key)
        await client.post(READINGS, json=ONE)
    assert (answer.json()["accepted"], answer.json()["repeated"]) == (2, False)
    assert [row.position for row in again.rows()] == [2, 3, 4]
    async with pushing(resume=log.harvests[-1].resume) as (client, other):
        await client.post(READINGS, json=ONE)
        await client.post(READINGS, json=[ONE, ONE], headers=key)
    assert [row.position for row in other.rows()] == [4, 5, 6]


async def test_a_key_whose_readings_were_lost_may_come_again() -> None:
    """A failure is not an answer to keep."""
    log, key = Log(verdict=lambda _: OSError("no")), {"Idempotency-Key": "k"}
    async with pushing(log) as (client, _):
        assert (await client.post(READINGS, json=ONE, headers=key)).status_code == 503
        log.verdict = lambda _: None
        answer = await client.post(READINGS, json=ONE, headers=key)
    assert (answer.status_code, answer.json()["repeated"], len(log.rows())) == (200, False, 1)


async def test_a_full_queue_and_a_slow_log_say_later() -> None:
    """503 with Retry-After, at once when full and after a while when slow."""
    log = Log()
    log.running.clear()
    async with pushing(log, queue_requests=1, settle_timeout_s=0.3) as (client, _):
        sending = [asyncio.create_task(client.post(READINGS, json=ONE)) for _ in range(5)]
        answers = [await one for one in sending]
    errors = sorted({answer.json()["error"] for answer in answers})
    assert {(answer.status_code, answer.headers["retry-after"]) for answer in answers} == {(503, "1")}
    assert errors == ["the readings are not in the log yet", "too many requests wait for the log"]


async def test_waiting_readings_are_bounded_too() -> None:
    """A single large request is taken, a second one not."""
    log = Log()
    log.running.clear()
    many = ONE | {"times": [1767323045] * 2000, "values": [1.5] * 2000}
    del many["time"], many["value"]
    async with pushing(log, queue_readings=1000) as (client, _):
        # The first is with the log, the second waits, the third is one too many.
        sending = [asyncio.create_task(client.post(READINGS, json=[many, many])) for _ in range(3)]
        done, waiting = await asyncio.wait(sending, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        assert [one.result().json()["error"] for one in done] == ["too many requests wait for the log"]
        log.running.set()
        assert [(await one).json()["accepted"] for one in waiting] == [4000, 4000]


async def test_senders_are_told_at_once_when_nobody_takes_their_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is full, and the source waits: whoever waits in the queue hears of it, and so does whoever comes."""
    monkeypatch.setattr(intake, "STALL_S", 0.2)
    log = Log()
    log.running.clear()
    async with pushing(log) as (client, _):
        sending = [asyncio.create_task(client.post(READINGS, json=ONE)) for _ in range(3)]
        done, waiting = await asyncio.wait(sending, timeout=2)
        late = await client.post(READINGS, json=ONE)
        log.running.set()
        taken = [await one for one in waiting]
        after = await client.post(READINGS, json=ONE)
    told = {(one.result().status_code, one.result().headers["retry-after"]) for one in done}
    assert (len(done), told, late.status_code) == (2, {(503, "1")}, 503)
    assert [answer.status_code for answer in (*taken, after)] == [200, 200], "the one on its way, and a new one"
    assert len(log.rows()) == 2, "nothing of what was turned away"


async def test_bodies_over_the_limit_are_refused() -> None:
    """By declared size, by real size, and by inflated size; nothing enters."""
    bomb = gzip.compress(b"0" * 10**8)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    async with pushing(max_body_bytes=200_000) as (client, log):
        zipped = {"Content-Encoding": "gzip"}
        statuses = [
            (await client.post(READINGS, content=b" " * 200_001)).status_code,
            (await client.post(READINGS, content=b" " * 1_500_000)).status_code,
            (await client.post(READINGS, content=endless())).status_code,
            (await client.post(READINGS, content=bomb, headers=zipped)).status_code,
            (await client.post(READINGS, content=b"no gzip", headers=zipped)).status_code,
            (await client.post(READINGS, content=gzip.compress(b"[]")[:-4], headers=zipped)).status_code,
            (await client.post(READINGS, content=b"x", headers={"Content-Encoding": "br"})).status_code,
        ]
        good = await client.post(READINGS, content=gzip.compress(json.dumps(ONE).encode()), headers=zipped)
    assert len(bomb) < 200_000
    assert statuses == [413, 413, 413, 413, 400, 400, 415]
    assert (good.status_code, len(log.rows())) == (200, 1)


@pytest.mark.parametrize("path", [READINGS, WRITE, "/", "/elsewhere"])
async def test_only_senders_with_the_token_are_heard(path: str) -> None:
    """On every route; with a wrong one as with none."""
    async with pushing(token="secret") as (client, log):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
            answer = await client.post(path, json=ONE, headers=headers)
            assert answer.status_code == 401
            assert answer.json()["mend"]
            assert "secret" not in answer.text
        right = await client.post(READINGS, json=ONE, headers={"Authorization": "Bearer secret"})
    assert (right.status_code, len(log.rows())) == (200, 1)


async def test_rebound_names_and_other_sites_are_turned_away() -> None:
    """Host and Origin have to be ours, or allowed."""
    async with pushing(allowed_hosts=("tocsin.lan",)) as (client, log):

        async def status(**headers: str) -> int:
            return (await client.post(READINGS, json=ONE, headers=headers)).status_code

        assert await status(Host="evil.example") == 421
        assert await status(Host="evil.example:8090") == 421
        assert await status(Origin="https://evil.example") == 403
        assert await status(Origin="null") == 403
        assert await status(Host="tocsin.lan:8090", Origin="http://tocsin.lan") == 200
        assert await status(Host="localhost") == 200
    assert len(log.rows()) == 2


async def test_who_is_slow_is_cut_off() -> None:
    """A header that trickles in, and a body that never ends; other connections are served meanwhile."""
    async with pushing(header_timeout_s=0.5, body_timeout_s=0.5) as (client, log):
        port = client.base_url.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        trickle = asyncio.create_task(drip(writer))
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        trickle.cancel()
        writer.close()
        assert (await client.post(READINGS, json=ONE)).status_code == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST " + READINGS.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n[")
        async with asyncio.timeout(5):
            assert b" 408 " in await reader.readline()
        writer.close()
    assert len(log.rows()) == 1


async def drip(writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while True:
            writer.write(b"P")
            await writer.drain()
            await asyncio.sleep(0.1)


async def test_other_paths_and_methods_are_answered_as_json() -> None:
    async with pushing() as (client, _):
        assert (await client.get(READINGS)).status_code == 405
        missing = await client.post("/api/v2/readings", json=ONE)
    assert (missing.status_code, missing.json()["error"]) == (404, "nothing is here")
    assert missing.headers["x-content-type-options"] == "nosniff"


async def test_a_source_has_so_many_series_and_no_more() -> None:
    """The rest is refused; positions and times go on after a restart."""
    async with pushing(max_series=2) as (client, log):
        for name in ("a", "b", "c", "a"):
            await client.post(READINGS, json=ONE | {"channel": name})
    assert [(row.channel, row.verdict.name, row.note) for row in log.rows()] == [
        ("a", "OK", ""),
        ("b", "OK", ""),
        ("*", "TOO_MANY_SERIES", "p/c"),
        ("a", "OK", ""),
    ]
    async with pushing(resume=log.harvests[-1].resume) as (client, after):
        await client.post(READINGS, json=ONE | {"time": None})
    assert [(row.position, row.time) for row in after.rows()] == [(5, AT_NS)]


async def test_a_unit_other_than_the_set_one_is_refused() -> None:
    async with pushing(units={"t": "C"}) as (client, log):
        await client.post(READINGS, json=[ONE | {"unit": "F"}, ONE | {"unit": "C"}, ONE])
    assert [(row.verdict.name, row.value) for row in log.rows()] == [
        ("WRONG_UNIT", "nan"),
        ("OK", "1.5"),
        ("OK", "1.5"),
    ]


async def test_closing_the_source_answers_who_waits_and_frees_the_port() -> None:
    """Nobody is left without an answer."""
    log = Log()
    source = HttpPush(port=free_port())
    found = cast("Any", source.harvests("push", None))
    first = asyncio.create_task(anext(found))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{source.port}", trust_env=False) as client:
        await asyncio.sleep(0.3)
        sending = asyncio.create_task(client.post(READINGS, json=ONE))
        await first
        await found.aclose()
        assert (await sending).status_code == 503
    async with pushing(log) as (client, _):
        pass
    with socket.socket() as probe:
        # Connections that were closed a moment ago do not count, listeners do.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", source.port))


async def test_a_port_in_use_is_an_error_with_a_mend() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Unavailable, match="cannot listen on") as caught:
            await anext(cast("Any", HttpPush(port=taken.getsockname()[1]).harvests("push", None)))
    assert caught.value.mend


def test_a_bind_to_the_outside_needs_a_token() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "plant.lan"):  # noqa: S104 - that it is refused is the point
        with pytest.raises(ValidationError, match="set a token"):
            HttpPush(host=host)
        assert "secret" not in repr(HttpPush(host=host, token="secret"))  # type: ignore[arg-type]  # pydantic turns it into a secret
    assert HttpPush(host="::1").host == "::1"
