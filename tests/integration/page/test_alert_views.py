"""The inbox and the page of one alert: what they show, and that every form on them does what it says."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from agents.clock import Clock
from bus.news import News
from bus.redis.bus import RedisBus
from contracts.alerting import AlertingSettings
from contracts.events import EVENTS, AlertChanged
from contracts.identity import home_of
from contracts.instants import SECOND, iso
from contracts.settings import AgentSettings
from tests.integration.page.forms import Read
from tests.integration.page.site import EVIL, T0, Site, put, settings_of, site


async def written(site: Site, name: str) -> list[Any]:
    return list(await News([EVENTS[name]]).read(site.bus))


async def test_the_inbox_shows_the_worst_first_and_counts_every_state(log: RedisBus, tmp_path: Path) -> None:
    async with site(log, tmp_path) as there:
        page = Read(await there.get("/alerts"))
        opened = [link for link in page.links if link.startswith("/alerts/")]
        rows = (await there.json("/alerts", order="severity"))["alerts"]
        assert opened == [f"/alerts/{row['id']}" for row in rows]
        assert [row["severity"] for row in rows] == ["critical", "warning", "warning", "info"]
        assert (await there.json("/alerts"))["alerts"][0]["severity"] == "info", "the latest first, as before"
        await page.form(f"{opened[0]}/ack").send(there.client)
        again = Read(await there.get("/alerts"))
        assert "open 3 acknowledged 1 resolved 0 all 4" in again.text
        assert opened[0] not in again.links
        assert opened[0] in Read(await there.get("/alerts?state=acknowledged")).links
        await again.form(f"{opened[1]}/resolve").send(there.client)
        assert "open 2 acknowledged 1 resolved 1 all 4" in Read(await there.get("/alerts?state=all")).text


async def test_filters_leave_the_others_out_and_what_is_no_matcher_is_told(log: RedisBus, tmp_path: Path) -> None:
    async with site(log, tmp_path) as there:
        vibration, evil = await there.alert(channel="vibration"), await there.alert(EVIL, EVIL)

        async def shown(query: str) -> set[str]:
            return {link for link in Read(await there.get(f"/alerts?{query}")).links if link.startswith("/alerts/")}

        assert await shown("text=VIBRA") == {f"/alerts/{vibration}"}
        assert len(await shown("severity=warning")) == 3
        assert await shown("match=kind%3D%22data%22") == {f"/alerts/{evil}"}
        assert await shown("match=kind%3D%22data%22&state=resolved") == set()
        refused = Read(await there.get("/alerts?match=kind", 422))
        assert "kind" in refused.text
        assert {"form", "nav"} <= refused.tags, "the page stays, so that it can be mended"
        await there.get("/alerts?after=x", 422)
        await there.get("/alerts?state=nothing", 422)


async def test_every_alert_stands_on_one_page_in_either_order(log: RedisBus, tmp_path: Path) -> None:
    async with site(log, tmp_path) as there:
        for order in ("latest", "severity"):
            found: list[str] = []
            after: dict[str, str] = {}
            while True:
                page = await there.json("/alerts", order=order, limit=1, **after)
                found += [row["id"] for row in page["alerts"]]
                assert page["count"] == 4
                if not page["next"]:
                    break
                after = {"after": page["next"]}
            assert len(found) == len(set(found)) == 4
        await there.json("/alerts", 422, order="worst")
        await there.json("/alerts", 422, after="9-٣-x")


async def test_the_story_says_why_it_fired(log: RedisBus, tmp_path: Path) -> None:
    async with site(log, tmp_path) as there:
        story = await there.json(f"/alerts/{await there.alert()}/story")
        assert story["why"]["score"] == 0.991
        assert story["why"]["id"] == story["alert"]["finding"] == there.findings[0].id
        assert story["timeline"][0]["what"] == "opened"
        assert story["curve"]["series"] == "pump-1/temperature"
        assert len(story["curve"]["points"]) > 50
        assert story["verdict"] is None
        asset = await there.json(f"/alerts/{await there.alert(channel='')}/story")
        assert asset["curve"]["series"] == "pump-1/temperature", "the channel with the largest share"
        assert asset["alert"]["contributions"] == {"temperature": 0.75, "vibration": 0.25}
        nothing = await there.json(f"/alerts/{await there.alert(EVIL, EVIL)}/story")
        assert (nothing["why"], nothing["curve"]) == (None, None)
        await there.json("/alerts/0000/story", 404)


async def test_the_page_of_an_alert_tells_it_in_words(log: RedisBus, tmp_path: Path) -> None:
    """And leads on to everything about it."""
    async with site(log, tmp_path) as there:
        alert = await there.alert(channel="")
        page = Read(await there.get(f"/alerts/{alert}"))
        for words in ("It goes on", "1 finding so far", "Nobody has taken it yet", "score 0.991 , threshold 0.9"):
            assert words.replace(" ,", ",") in page.text, words
        assert "temperature75.0 %" in page.text
        assert {"svg", "polyline", "time"} <= page.tags
        finding = there.findings[2]
        for link in (f"/lineage/{finding.id}", f"/lineage/{finding.bundle}", "/series/pump-1/vibration"):
            assert link in page.links, link
        assert f"/replays?around={alert}" in page.links
        assert f"tocsin incident {alert[:16]}" in page.text


async def test_each_form_of_an_alert_does_what_it_says(log: RedisBus, tmp_path: Path) -> None:
    async with site(log, tmp_path) as there:
        alert = await there.alert()
        page = Read(await there.get(f"/alerts/{alert}"))
        begun = Clock.wall_ns()

        async def sent(url: str, **said: str) -> None:
            answer = await page.form(url).send(there.client, **said)
            assert answer.is_success, answer.text

        await sent("/ack", note=EVIL, by="ann", for_s="3600")
        (ack,) = await written(there, "AlertAcknowledged")
        assert (ack.alert, ack.note, ack.by) == (alert, EVIL, "ann")
        assert 3_590 < (ack.until - begun) / 1e9 < 3_700
        now = Read(await there.get(f"/alerts/{alert}"))
        assert f"ann takes care of it, for 59 min 59 s more: {EVIL}" in now.text.replace("1 h more", "59 min 59 s more")
        await sent("/escalate")
        await sent("/label", verdict="false alarm", note="unplugged")
        await sent("/silences", for_s="14400", comment="mended tomorrow")
        assert len(await written(there, "AlertPushed")) == 1
        assert "false alarm, says" in Read(await there.get(f"/alerts/{alert}")).text
        (silence,) = (await there.json("/silences"))["silences"]
        assert silence["matchers"] == ['asset="pump-1"', 'channel="temperature"', 'kind="anomaly"']
        assert silence["comment"] == "mended tomorrow"
        await sent("/resolve", note="bearing replaced")
        over = Read(await there.get(f"/alerts/{alert}"))
        assert "It is over" in over.text
        assert [form.url.rpartition("/")[2] for form in over.forms] == ["label", "silences"], "what is over stays so"


async def test_an_alert_of_long_ago_is_told_from_the_log_and_nothing_is_decided_about_it(
    log: RedisBus, tmp_path: Path
) -> None:
    """The agent forgets what is over, and what is like it leads there."""
    old = "0123456789abcdef" * 2
    async with site(log, tmp_path) as there:
        home = home_of("signals", log.partitions)
        for number, (change, state) in enumerate((("opened", "open"), ("resolved", "resolved"))):
            about: dict[str, Any] = {
                "key": "old", "kind": "anomaly", "change": change, "state": state, "severity": "warning",
                "labels": {"asset": "pump-1"}, "summary": "long ago", "finding": "f", "latest": "f", "findings": 1,
                "contributions": {"temperature": 1.0}, "alert": old, "began": T0, "last": T0,
            }  # fmt: skip
            event = AlertChanged.of(cause=change, time=T0 + number * SECOND, asset="pump-1", **about)
            await put(log, event, home)
        story = await there.json(f"/alerts/{old[:8]}/story")
        assert (story["followed"], story["alert"]["state"], story["alert"]["summary"]) == (
            False,
            "resolved",
            "long ago",
        )
        assert story["alert"]["ended"] == iso(T0 + SECOND)
        page = Read(await there.get(f"/alerts/{old}"))
        assert "known from the log alone" in page.text
        assert "It lasted 1 s" in page.text
        assert not page.forms
        assert (await there.client.post(f"/api/v1/alerts/{old}/ack", json={})).status_code == 404
        await there.json("/alerts/012", 404)
        assert (await there.json(f"/alerts/{await there.alert()}/story"))["followed"] is True


async def test_without_alerting_findings_are_listed_with_what_to_configure(log: RedisBus, tmp_path: Path) -> None:
    for more in ({"alerting": AlertingSettings()}, {"agents": {"anomaly": AgentSettings()}}):
        async with site(log, tmp_path, settings_of(tmp_path, **more)) as there:
            page = Read(await there.get("/alerts"))
            assert "Nobody follows alerts here" in page.text
            assert "alerting.route" in page.text
            assert {f"/lineage/{each.id}" for each in there.findings} <= set(page.links)
            assert not page.forms
            assert "no alerts are followed" in Read(await there.get("/alerts/4f2a", 404)).text
        await log._server.each("FLUSHALL")


async def test_text_from_outside_is_only_text(log: RedisBus, tmp_path: Path) -> None:
    """In names, summaries, details, notes, reasons and comments."""
    async with site(log, tmp_path) as there:
        alert, asset = await there.alert(EVIL, EVIL), await there.alert(channel="")
        await there.client.post(f"/api/v1/alerts/{alert}/ack", json={"note": EVIL, "by": EVIL[:120]})
        await there.client.post(f"/api/v1/alerts/{asset}/label", json={"note": EVIL, "verdict": "true alarm"})
        silence = {"matchers": ['asset="x"', 'kind="<b>"'], "for_s": 60, "comment": EVIL}
        assert (await there.client.post("/api/v1/silences", json=silence)).status_code == 201
        evil = quote(EVIL, safe="")
        paths = [
            "/alerts?state=all", f"/alerts?text={evil}", f"/alerts/{alert}", f"/alerts/{asset}", "/silences",
            f"/silences?matchers={evil}", f"/lineage/{there.findings[2].id}",
        ]  # fmt: skip
        for path in [*paths, f"/lineage/{evil}", f"/alerts/{evil.partition('--')[0]}"]:
            page = Read(await there.get(path, 200 if path in paths else 404))
            assert path == paths[1] or "<img src=x onerror=alert(1)>" in page.text, f"it is there: {path}"
            assert not page.tags & {"img", "b", "iframe"}, path
            assert not [name for name in page.attributes if name.startswith("on") or name == "style"], path
            assert len(page.ids) == len(set(page.ids)), "an id names one element"
