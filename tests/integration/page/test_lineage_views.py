"""Lineage as a page and as JSON: from an alert to its readings, from everything to its findings, and what is not."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import pytest

from bus.redis.bus import RedisBus
from contracts.identity import partition_of
from contracts.instants import SECOND, iso
from contracts.sections import MlflowSettings
from tests.integration.page.forms import Read
from tests.integration.page.site import PUMP, T0, settings_of, site


def to_lineage(page: Read) -> list[str]:
    """What a page's links lead to."""
    return [unquote(link.removeprefix("/lineage/")) for link in page.links if link.startswith("/lineage/")]


async def test_one_click_each_way_between_an_alert_and_all_that_led_to_it(log: RedisBus, tmp_path: Path) -> None:
    async with site(log, tmp_path) as there:
        finding = there.findings[0]
        back = Read(await there.get(f"/lineage/{finding.id[:12]}"))
        assert f"/alerts/{await there.alert()}" in back.links
        readings = f"readings.accepted/{partition_of(PUMP, log.partitions)}:341-400"
        for name in (finding.bundle, "pumps/3", readings, "pump-1/temperature"):
            assert name in to_lineage(back), name
            forth = Read(await there.get(f"/lineage/{name}"))
            assert finding.id in to_lineage(forth), f"and back from {name}"
        for part in ("#readings", "#features", "#environment", "#run", "#alert"):
            assert part in back.links
            assert part[1:] in back.ids
        assert "30 in readings.accepted" in back.text, "its own channel alone"
        assert "plant:400" in back.text
        half = 1_800 * SECOND
        span = urlencode({"from": iso(finding.time - half), "to": iso(finding.time + half)})
        assert f"/series/pump-1/temperature?{span}" in back.links, "of the last reading, with what was around it"
        assert "4" * 32 in back.text


async def test_programs_get_the_same(log: RedisBus, tmp_path: Path) -> None:
    async with site(log, tmp_path) as there:
        finding, alert = there.findings[0], await there.alert()
        back = (await there.json(f"/lineage/{finding.id}", readings=7))["back"]
        assert (back["finding"]["id"], back["alert"]) == (finding.id, alert)
        assert [row["position"] for row in back["readings"]] == list(range(388, 402, 2)), "the last of them"
        assert back["readings_in_all"] == 30
        assert (back["model"]["name"], back["model"]["version"], back["mlflow_run_id"]) == ("pumps", "3", "4" * 32)
        assert (await there.json(f"/lineage/{alert}"))["back"]["finding"]["id"] == finding.id, "an alert is its finding"
        forth = (await there.json("/lineage/pumps", most=1))["forth"]
        assert (forth["findings"], forth["left_out"], len(forth["alerts"])) == (3, 2, 1)
        about: dict[str, Any] = {"from": iso(T0 + 420 * SECOND), "to": iso(T0 + 430 * SECOND)}
        some = (await there.json("/lineage/pump-1", **about))["forth"]
        assert [row["id"] for row in some["alerts"]] == [there.findings[1].id], "of these readings"


REFUSED = [
    ("/lineage/nothing-like-it", 404),
    ("/lineage/0", 404),
    ("/lineage/%00", 404),
    ("/lineage/%FF/%E2%80%AE", 404),
    ("/lineage/" + "a" * 500, 404),
    ("/lineage/", 404),
    ("/lineage/readings.accepted/3:1-" + "9" * 30, 404),
    ("/lineage/readings.accepted/999999:1-2", 404),
    ("/lineage/pump-1?from=yesterday", 422),
    ("/lineage/pump-1?from=2026-01-01", 422),
    ("/lineage/pump-1?from=9999-01-01T00:00:00Z", 404),
    ("/lineage/pumps?most=1001", 422),
    ("/lineage/pumps?readings=-1", 422),
]


async def test_what_cannot_be_answered_is_told(log: RedisBus, tmp_path: Path) -> None:
    async with site(log, tmp_path) as there:
        for path, status in REFUSED:
            answer = await there.client.get(f"/api/v1{path}")
            assert (answer.status_code, bool(answer.json()["mend"])) == (status, True), path
            assert "What to do:" in Read(await there.get(path, status)).text, path


async def test_an_index_that_is_not_ready_is_told_and_goes_on(log: RedisBus, tmp_path: Path) -> None:
    """What was read of the log stays read, so asking again ends."""
    async with site(log, tmp_path) as there:
        lineage = there.application.lineage
        lineage.patience_s = 1e-6
        late = await there.client.get(f"/api/v1/lineage/{there.findings[0].id}")
        assert (late.status_code, late.headers["Retry-After"]) == (503, "1")
        assert "Ask" in late.json()["mend"]
        page = Read(await there.get(f"/lineage/{there.findings[0].id}", 503))
        assert "asks again by itself" in page.text
        lineage.patience_s = 30
        await there.json(f"/lineage/{there.findings[0].id}")


async def test_an_index_that_cannot_be_used_is_no_missing_alert(log: RedisBus, tmp_path: Path) -> None:
    async with site(log, tmp_path) as there:
        (tmp_path / "index").write_text("a file where the folder should be")
        answer = await there.client.get(f"/api/v1/lineage/{there.findings[0].id}")
        assert answer.status_code == 503, answer.text
        assert "index" in answer.json()["error"]


@pytest.mark.parametrize(
    ("uri", "link"),
    [
        (None, None),
        ("sqlite:////x/mlflow.db", None),
        ("http://ann:secret@mlflow.example:5000/base/", "http://mlflow.example:5000/base/#/runs/" + "4" * 32),
        ("javascript:alert(1)", None),
        ("javascript://mlflow.example/%0aalert(1)", None),
        ("databricks://profile", None),
        ("http://[::1", None),
    ],
)
def test_a_run_is_a_link_only_to_an_mlflow_that_a_browser_can_open(uri: str | None, link: str | None) -> None:
    """And never with what signs in there."""
    from console.page.lineage import LineageView

    settings = settings_of(Path("/nowhere"), mlflow=MlflowSettings(uri=uri))
    unused: Any = None
    assert LineageView(unused, unused, settings).run("4" * 32) == (link or "")


async def test_what_was_typed_leads_on(log: RedisBus, tmp_path: Path) -> None:
    async with site(log, tmp_path) as there:
        answer = await there.client.get("/lineage", params={"what": " //evil.example/ä "})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/lineage///evil.example/%C3%A4")
        assert "Ask what led to an alert" in Read(await there.get("/lineage")).text
