"""The views: the form is filled in with what somebody came from, and a run shows how far it is and what it came to."""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from agents.parts import Program
from bus.memory import MemoryBus
from console.access.tokens import Tokens
from contracts.settings import AgentSettings
from tests.apis import running_api
from tests.unit.console.api.test_alerting import firing, settings_of, signalled
from tests.unit.console.replaying.test_replays import LASTS, RESULT, SAY

ROW = {
    "difference": "missing", "type": "AnomalyDetected", "id": "ab" * 16, "cause": "c", "asset": "m <b>", "channel": "t",
    "time": "2026-01-01T00:00:01Z", "reason": "<script>", "value": 1.5, "score": 0.9, "severity": "warning",
    "partition": 0, "stream": "anomalies",
}  # fmt: skip
COUNTS = {"AnomalyDetected": {"missing": 1, "extra": 0, "changed": 0, "moved": 0}}
DIFFERS = RESULT | {
    "identical": False, "differences": 1, "shown": 1, "types": COUNTS,
    "series": [{"asset": "m <b>", "channel": "t", "differences": 1}],
}  # fmt: skip
FINDS = (
    f"print(json.dumps({ROW!r}), flush=True); say(progress=dict(done=3, total=3, seconds=1)); say(result={DIFFERS!r})\n"
)


@asynccontextmanager
async def site(folder: Path, code: str, bus: MemoryBus | None = None) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_of(folder)
    settings = settings.model_copy(update={"agents": {**settings.agents, "anomaly": AgentSettings()}})
    program = Program([sys.executable, "-S", "-E", "-c", SAY + code], [], dict(os.environ))
    async with running_api(bus or MemoryBus(1), settings, program=program) as running:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}", timeout=30) as client:
            yield client
        await running.application.replays.close()


async def started(client: httpx.AsyncClient, **asked: Any) -> str:
    answer = await client.post("/api/v1/replays", json=asked)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def state(client: httpx.AsyncClient, name: str) -> str:
    return str((await client.get(f"/api/v1/replays/{name}")).json()["state"])


async def ended(client: httpx.AsyncClient, name: str, wanted: str) -> None:
    while await state(client, name) != wanted:
        pass


async def test_a_result_is_shown_in_words_and_as_a_list_with_nothing_taken_as_markup(tmp_path: Path) -> None:
    async with site(tmp_path, FINDS) as client:
        name = await started(client, changes='anomaly: {threshold: 0.5} # <img src="x">')
        await ended(client, name, "done")
        page = (await client.get(f"/replays/{name}")).text
        assert "1 anomaly vanishes" in page
        assert "<script>" not in page.replace("<script src", "").replace('<script type="module"', "")
        assert "&lt;script&gt;" in page
        assert "<img" not in page
        assert "m &lt;b&gt;/t" in page
        assert "/series/m%20%3Cb%3E/t?from=2025-12-31T23%3A30%3A01Z" in page
        assert f'/lineage/{"ab" * 16}"' in page
        assert 'hx-trigger="every 1s"' not in page
        assert "None of these" in (await client.get(f"/replays/{name}?difference=appears")).text
        assert "1 anomaly vanishes" in (await client.get("/replays")).text
        assert (await client.get(f"/replays/{name}?after=1")).status_code == 404
        assert (await client.get(f"/replays/{name}?after=x")).status_code == 422
        assert (await client.get("/replays/nothing")).status_code == 404
        rows = (await client.get(f"/api/v1/replays/{name}/differences")).json()
        assert [row["summary"] for row in rows["differences"]] == ["<script> (1.5), score 0.90"]
        assert (await client.get(f"/api/v1/replays/{name}/differences?difference=missing")).status_code == 422
        assert (await client.delete(f"/api/v1/replays/{name}")).status_code == 409


async def test_while_it_runs_it_asks_again_and_is_made_anew_when_it_ended(tmp_path: Path) -> None:
    async with site(tmp_path, LASTS) as client:
        name = await started(client)
        while "1 of 4 events" not in (page := (await client.get(f"/replays/{name}")).text):
            pass
        assert 'hx-trigger="every 1s"' in page
        assert '<progress aria-label="Progress" value="1" max="4">' in page
        watching = {"HX-Request": "true", "HX-Target": "state"}
        assert "HX-Refresh" not in (await client.get(f"/replays/{name}", headers=watching)).headers
        assert (await client.get(f"/api/v1/replays/{name}/differences")).status_code == 404
        assert (await client.delete(f"/api/v1/replays/{name}")).status_code == 202
        await ended(client, name, "cancelled")
        assert (await client.get(f"/replays/{name}", headers=watching)).headers["HX-Refresh"] == "true"
        assert "HX-Refresh" not in (await client.get(f"/replays/{name}")).headers


async def test_the_form_begins_with_what_somebody_came_from(tmp_path: Path) -> None:
    bus = MemoryBus(1)
    await signalled(bus, firing(1))
    async with site(tmp_path, LASTS, bus) as client:
        alert = (await client.get("/api/v1/alerts")).json()["alerts"][0]["id"]
        around = (await client.get(f"/replays?around={alert}")).text
        assert 'name="series" value="pump-1"' in around
        assert 'value="2026-09-21T' in around
        named = (await client.get("/replays?series=a%22b/c&from=2026-01-01T00:00:00Z&model=m%3C1")).text
        assert 'value="a&#34;b/c"' in named
        assert 'value="2026-01-01T00:00:00Z"' in named
        assert '<option value="m&lt;1" selected>' in named
        assert '<option value="anomaly">anomaly alone</option>' in named
        assert (await client.get("/replays?around=ffffffff")).status_code == 404
        again = (await client.get("/replays", headers={"HX-Target": "runs"})).text
        assert 'id="runs"' in again
        assert "anomaly alone" not in again
        choices = (await client.get("/api/v1/replays/choices")).json()
        assert [row for row in choices["agents"] if row["serves"]] == [{"name": "anomaly", "serves": True}]


async def test_who_may_only_look_is_shown_no_form_and_starts_nothing(tmp_path: Path) -> None:
    _, text = Tokens(tmp_path / "tokens.json").create("eve", "viewer")
    async with site(tmp_path, LASTS) as client:
        client.headers["Authorization"] = f"Bearer {text}"
        page = await client.get("/replays")
        assert page.status_code == 200
        assert "needs the role operator" in page.text
        assert "hx-post" not in page.text
        assert (await client.post("/api/v1/replays", json={})).status_code == 403
        assert (await client.get("/api/v1/replays")).json() == {"replays": []}
    assert not (tmp_path / "replays").exists()


async def test_a_full_queue_says_when_to_come_back(tmp_path: Path) -> None:
    async with site(tmp_path, LASTS) as client:
        for _ in range(5):
            await started(client)
        answer = await client.post("/api/v1/replays", json={})
        assert (answer.status_code, answer.json()["kind"]) == (503, "full")
        assert "Retry-After" in answer.headers
        assert len(json.loads((await client.get("/api/v1/replays")).text)["replays"]) == 5
