"""Silences; who sees which buttons; and errors of the page, which are pages in words."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bus.redis.bus import RedisBus
from bus.redis.connecting import connect
from console.access.tokens import tokens_of
from tests.conftest import PARTITIONS
from tests.integration.page.forms import Read
from tests.integration.page.site import site
from tests.servers import LiveServer


async def test_a_silence_is_previewed_made_and_ended_by_the_page(log: RedisBus, tmp_path: Path) -> None:
    async with site(log, tmp_path) as there:
        empty = Read(await there.get("/silences"))
        assert "Nothing is silenced" in empty.text
        seen = Read(await there.get("/silences?matchers=asset%3D%22pump-1%22%0A%0Akind%3D%22anomaly%22"))
        assert "It fits 3 alerts that go on now" in seen.text
        assert f"/alerts/{await there.alert()}" in seen.links
        assert "take in everything" in Read(await there.get("/silences?matchers=asset%3D~%22.*%22")).text
        form = seen.form("/silences")
        assert form.body()["matchers"] == ['asset="pump-1"', 'kind="anomaly"'], "what was tried stands in the form"
        made = await form.send(there.client, for_s="3600", comment="mended today")
        assert made.status_code == 201, made.text
        listed = Read(await there.get("/silences"))
        assert 'asset="pump-1" kind="anomaly"' in listed.text
        assert " more 3" in listed.text, "it covers three alerts"
        (end,) = [form for form in listed.forms if form.verb == "delete"]
        assert (await end.send(there.client)).is_success
        assert "Nothing is silenced" in Read(await there.get("/silences")).text


async def test_a_viewer_sees_everything_and_no_buttons(log: RedisBus, tmp_path: Path) -> None:
    _, viewer = tokens_of(tmp_path).create("eve", "viewer")
    _, operator = tokens_of(tmp_path).create("ann", "operator")
    async with site(log, tmp_path) as there:
        for token, changes in ((viewer, False), (operator, True)):
            there.client.headers["Authorization"] = f"Bearer {token}"
            for path in ("/alerts", f"/alerts/{await there.alert()}", "/silences"):
                page = Read(await there.get(path))
                mine = [form for form in page.forms if "/session" not in form.url]
                assert bool(mine) is changes, path
                assert "pump-1" in page.text or path == "/silences"


async def test_what_is_not_there_is_a_page_for_people_and_json_for_programs(log: RedisBus, tmp_path: Path) -> None:
    async with site(log, tmp_path) as there:
        for path in ("/nowhere", "/alerts/0000", "/lineage/nothing"):
            answer = await there.client.get(path)
            page = Read(answer.text)
            assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
            assert "This is not here" in page.text
            assert "What to do:" in page.text
            assert "/alerts" in page.links
            told = await there.client.get(f"/api/v1{path}")
            assert (told.status_code, told.headers["Content-Type"]) == (404, "application/json")
            assert set(told.json()) >= {"error", "mend"}
        assert (await there.client.post("/alerts")).status_code == 405


async def test_a_log_that_is_gone_is_told_in_words(new_server: Callable[[str], LiveServer], tmp_path: Path) -> None:
    live = new_server("valkey")
    bus = RedisBus(connect(live.url), PARTITIONS)
    async with site(bus, tmp_path) as there:
        alert = await there.alert()
        os.kill(live.pid, signal.SIGKILL)
        for path in ("/alerts", f"/alerts/{alert}", "/silences", "/lineage/pumps"):
            page = Read(await there.get(path, 503))
            assert "Something that is needed is not there" in page.text
            assert "asks again by itself" in page.text
    await bus.close()


async def test_a_fault_of_ours_is_a_page_without_what_it_was(
    log: RedisBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log of the service says it, whoever asked does not need it."""
    monkeypatch.setattr("console.page.alerts._row", lambda *_: 1 / 0)
    async with site(log, tmp_path) as there:
        page = Read(await there.get("/alerts", 500))
        assert "Something went wrong" in page.text
        assert "division" not in page.text
