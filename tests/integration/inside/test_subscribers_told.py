"""Subscribers, routes and health over a real socket."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.events import (
    HealthChanged,
    NotificationFailed,
)
from contracts.instants import SECOND
from tests.conftest import Servers
from tests.integration.inside.here import HOSTILE, inside


async def test_what_was_given_up_is_shown_and_redelivered(servers: Servers, tmp_path: Path) -> None:
    async with inside(servers, tmp_path) as here:
        await here.bury("burns", 1, subscriber="mes")
        await here.bury("other", 2, subscriber="somebody")
        failed: dict[str, Any] = {
            "subscriber": "mes",
            "key": "key burns",
            "attempt": 3,
            "error": HOSTILE,
            "answer": "404",
        }
        await here.put(NotificationFailed.of(cause="n", time=SECOND, asset="a", **failed), partition=2)
        page = await here.page("/subscribers/mes")
        assert "Redeliver all 1" in page
        assert "given up" in page
        assert HOSTILE not in page
        assert (await here.send("/subscribers/mes/redeliver"))["keys"] == ["key burns"]
        assert "all of it was delivered" in await here.page("/subscribers/mes")
        assert (await here.get("/letters"))["count"] == 1, "that of somebody else waits"
        assert (await here.client.get("/subscribers/nobody")).status_code == 404


async def test_a_new_webhook_is_told_its_secret_once_and_no_page_shows_it(servers: Servers, tmp_path: Path) -> None:
    async with inside(servers, tmp_path) as here:
        spec = {"kind": "webhook", "url": "https://93.184.216.34/x", "events": ["all"]}
        made = await here.send("/subscribers", {"name": "hook", "spec": spec}, status=201)
        assert made["secret"].startswith("whsec_")
        for path in ("/subscribers", "/subscribers/hook"):
            assert made["secret"] not in await here.page(path)
        assert "whsec_" not in json.dumps(await here.get("/subscribers/hook"))
        assert 'id="pause"' in await here.page("/subscribers/hook")
        await here.send("/subscribers/hook/pause", {"note": HOSTILE})
        page = await here.page("/subscribers/hook")
        assert 'id="resume"' in page
        assert HOSTILE not in page


async def test_the_routes_are_tried_by_labels(servers: Servers, tmp_path: Path) -> None:
    async with inside(servers, tmp_path) as here:
        page = await here.client.get("/subscribers", params={"labels": "asset=pump-1\nseverity=critical"})
        assert "<strong>duty</strong>" in page.text
        assert "<strong>mes</strong>" not in page.text
        wrong = await here.client.get("/subscribers", params={"labels": HOSTILE.replace("=", "")})
        assert (wrong.status_code, "labels are up to" in wrong.text) == (422, True)
        assert HOSTILE.replace("=", "") not in wrong.text


async def test_health_tells_what_changed_where_no_doctor_can_be_called(servers: Servers, tmp_path: Path) -> None:
    async with inside(servers, tmp_path) as here:
        changed = {"check": "data-gaps", "state": "failed", "found": HOSTILE, "due_to": "a cable", "mend": "plug it in"}
        await here.put(HealthChanged.of(cause="c", time=SECOND, asset="coordinator", **changed))
        now = await here.get("/health")
        assert (now["state"], now["findings"]) == ("cannot look", [])
        assert now["changes"][0]["mend"] == "plug it in"
        page = await here.page("/health")
        assert "<code>plug it in</code>" in page
        assert HOSTILE not in page


@pytest.mark.parametrize("path", ["/streams", "/models", "/subscribers", "/health", "/streams/letters/x", "/models/x"])
async def test_pages_run_no_script_of_their_own_and_say_what_is_missing(
    servers: Servers, tmp_path: Path, path: str
) -> None:
    """Nothing stands in them that the content security policy forbids, with an empty log either."""
    async with inside(servers, tmp_path) as here:
        answer = await here.client.get(path)
        assert answer.status_code in (200, 404)
        assert " style=" not in answer.text
        assert " onclick=" not in answer.text
        assert "<script>" not in answer.text
