"""Alerts, silences, subscribers and routes over HTTP: reads of the log, and decisions that are written into it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from agents.letters import boxed
from agents.notification.alerts import Alerts
from agents.notification.delivery.vault import vault_of
from bus.memory import MemoryBus
from bus.news import News
from bus.protocol import Place
from console.acting.actor import WRITER
from contracts.alerting import AlertingSettings
from contracts.events import (
    EVENTS,
    DeadLettered,
    NotificationDue,
    NotificationSent,
    Signal,
    Signalled,
    SubscriberChanged,
    SubscriberRemoved,
    SubscriberSet,
    TimePassed,
)
from contracts.frames import encode
from contracts.identity import home_of
from contracts.instants import SECOND
from contracts.settings import AgentSettings, ArchiveSettings, Settings
from tests.apis import running_api

ALERTING = {
    "route": {"receiver": "screen", "routes": [{"receiver": "ann", "matchers": ['severity="critical"']}]},
    "subscribers": {"screen": {"kind": "console"}, "ann": {"kind": "webhook", "url": "https://ann.example/hook"}},
}
NOW = 1_790_000_000 * SECOND


def settings_of(folder: Path) -> Settings:
    alerting = AlertingSettings.model_validate(ALERTING)
    agents = {"notification": AgentSettings()}
    return Settings(data_dir=folder, archive=ArchiveSettings(enabled=False), agents=agents, alerting=alerting)


def firing(number: int, **fields: Any) -> Signal:
    about: dict[str, Any] = {
        "key": f"anomaly:pump-{number}", "kind": "anomaly", "state": "firing", "finding": f"f{number}",
        "asset": f"pump-{number}", "at": NOW + number, "summary": f"pump {number} shakes",
        "labels": {"asset": f"pump-{number}", "kind": "anomaly"},
    }  # fmt: skip
    return Signal(**about | fields)


async def signalled(bus: MemoryBus, *signals: Signal, at: int = NOW) -> None:
    place = Place("signals", home_of("signals", bus.partitions))
    for number, signal in enumerate(signals):
        events = [
            TimePassed.of(cause="clock", time=at + number * SECOND, asset="clock"),
            Signalled.of(cause=signal.finding, time=at, asset=signal.asset, origin="anomalies", signals=(signal,)),
        ]
        await bus.append(place, list(encode(events, "test")))


@asynccontextmanager
async def asked(bus: MemoryBus, folder: Path, **api: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        running_api(bus, settings_of(folder), **api) as running,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}/api/v1") as client,
    ):
        yield client


async def written(bus: MemoryBus, name: str) -> list[Any]:
    return list(await News([EVENTS[name]]).read(bus))


async def test_alerts_are_listed_page_by_page(tmp_path: Path) -> None:
    """The latest first; each once over all pages; filters leave the others out."""
    bus = MemoryBus(2)
    await signalled(bus, *(firing(n, severity="critical" if n % 3 == 0 else "warning") for n in range(7)))
    async with asked(bus, tmp_path) as client:
        found: list[str] = []
        after = ""
        while True:
            page = (await client.get("/alerts", params={"limit": 3} | ({"after": after} if after else {}))).json()
            found += [row["asset"] for row in page["alerts"]]
            assert page["count"] == 7
            if not (after := page["next"]):
                break
        assert found == [f"pump-{n}" for n in reversed(range(7))]
        critical = (await client.get("/alerts?severity=critical")).json()
        assert {row["asset"] for row in critical["alerts"]} == {"pump-0", "pump-3", "pump-6"}
        matched = (await client.get("/alerts", params={"match": 'asset=~"pump-[12]"', "state": "open"})).json()
        assert matched["count"] == 2
        assert (await client.get("/alerts?state=resolved")).json()["alerts"] == []
        assert (await client.get("/alerts?state=gone")).status_code == 422
        assert (await client.get("/alerts?after=x")).status_code == 422
        assert (await client.get("/alerts?limit=0")).status_code == 422
        assert (await client.get("/alerts", params={"match": "asset"})).status_code == 422


async def test_what_people_decide_is_seen_at_once_and_stands_in_the_log(tmp_path: Path) -> None:
    """With who it was."""
    bus = MemoryBus(2)
    await signalled(bus, firing(1), firing(2))
    async with asked(bus, tmp_path) as client:
        alert = (await client.get("/alerts", params={"match": 'asset="pump-1"'})).json()["alerts"][0]["id"]
        done = await client.post(f"/alerts/{alert[:8]}/ack", json={"by": "ann", "note": "mine", "for_s": 600})
        assert done.status_code == 200, done.text
        (event,) = await written(bus, "AlertAcknowledged")
        assert event.model_dump(include={"alert", "by", "note"}) == {"alert": alert, "by": "ann", "note": "mine"}
        row = (await client.get(f"/alerts/{alert}")).json()
        assert (row["state"], row["owner"], row["note"]) == ("acknowledged", "ann", "mine")
        await client.post(f"/alerts/{alert}/escalate", json={"by": "bob"})
        await client.post(f"/alerts/{alert}/label", json={"by": "bob", "verdict": "false alarm"})
        await client.post(f"/alerts/{alert}/resolve", json={"by": "bob"})
        assert (await client.get(f"/alerts/{alert}")).json()["state"] == "resolved"
        (label,) = await written(bus, "AlertLabelled")
        assert (label.alert, label.verdict, label.by) == ("f1", "false alarm", "bob")
        assert [event.by for event in await written(bus, "AlertPushed")] == ["bob"]
        entry = (await bus.range(Place("labels", home_of("labels", 2)), 1, 1, count=1))[0]
        assert entry.frame().writer == WRITER


REFUSED: list[tuple[str, dict[str, Any], int]] = [
    ("/alerts/nothing/ack", {}, 404),
    ("/alerts/f/ack", {}, 404),
    ("/alerts/ALERT/ack", {"by": ""}, 422),
    ("/alerts/ALERT/ack", {"by": "an\x1bn"}, 422),
    ("/alerts/ALERT/ack", {"for_s": -1}, 422),
    ("/alerts/ALERT/ack", {"who": "ann"}, 422),
    ("/alerts/ALERT/label", {"verdict": "maybe"}, 422),
    ("/silences", {"matchers": ['asset="x"']}, 422),
    ("/silences", {"matchers": [], "for_s": 5}, 422),
    ("/silences", {"matchers": ["asset"], "for_s": 5}, 422),
    ("/silences", {"matchers": ['asset=~".*"'], "for_s": 5}, 422),
    ("/silences", {"matchers": ['asset="x"'], "ends": "2001-01-01T00:00:00Z"}, 422),
    ("/silences", {"matchers": ['asset="x"'], "for_s": 5, "ends": "2099-01-01T00:00:00Z"}, 422),
    ("/subscribers", {"name": "bad name", "spec": {"kind": "console"}}, 422),
    ("/subscribers", {"name": "x", "spec": {"kind": "pigeon"}}, 422),
    ("/subscribers", {"name": "x", "spec": {"kind": "console", "matchers": ["asset"]}}, 422),
    ("/subscribers", {"name": "ann", "spec": {"kind": "console"}}, 409),
    ("/subscribers", {"name": "x", "spec": {"kind": "file", "path": "/etc/passwd"}}, 403),
    ("/subscribers", {"name": "x", "spec": {"kind": "file", "path": "a/../../b"}}, 403),
    ("/subscribers", {"name": "x", "spec": {"kind": "apprise", "url": "json://127.0.0.1:8090"}}, 403),
    ("/subscribers", {"name": "x", "spec": {"kind": "file", "path": "tokens.json"}}, 403),
    ("/subscribers", {"name": "x", "spec": {"kind": "file", "path": "archive/told.jsonl"}}, 403),
    ("/subscribers", {"name": "x", "spec": {"kind": "file", "path": "told.jsonl\n"}}, 403),
    (
        "/subscribers",
        {"name": "x", "spec": {"kind": "webhook", "url": "https://x.example", "allow_private": ["127.0.0.0/8"]}},
        403,
    ),
    ("/subscribers/nobody/pause", {}, 404),
    ("/subscribers/nobody/test", {}, 404),
    ("/subscribers/nobody/redeliver", {}, 404),
    ("/routes/test", {"labels": {"a": 1}}, 422),
]


async def test_what_cannot_be_done_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    """Neither in the log nor among the secrets."""
    bus = MemoryBus(1)
    await signalled(bus, firing(1))
    async with asked(bus, tmp_path) as client:
        alert = (await client.get("/alerts")).json()["alerts"][0]["id"]
        answers = [await client.post(path.replace("ALERT", alert), json=body) for path, body, _ in REFUSED]
    assert [answer.status_code for answer in answers] == [status for _, _, status in REFUSED]
    assert all(answer.json()["error"] for answer in answers)
    # That somebody asked is recorded.
    streams = {kind.stream for kind in EVENTS.values()} - {"audit"}
    entries = [e for s in streams for e in await bus.range(Place(s, 0), 1, 10**9, count=1000)]
    assert {entry.frame().writer for entry in entries} == {"test"}
    assert not vault_of(tmp_path).path.exists()


@pytest.mark.parametrize("path", ["/alerts", "/events"])
async def test_who_asks_cannot_hold_up_the_others_with_expressions(tmp_path: Path, path: str) -> None:
    """One that is slow, or many that are not quick; each alert would be tried, and nobody could acknowledge."""
    async with asked(MemoryBus(1), tmp_path) as client:
        for each in (['asset!~".*.*.*!"'], [f'asset!~".*{number}.*!"' for number in range(10)]):
            answer = await client.get(path, params={"match": each})
            assert answer.status_code == 422
            assert "too long" in answer.json()["error"]


async def test_a_silence_begins_and_ends(tmp_path: Path) -> None:
    """The alert is silenced while it lasts."""
    bus = MemoryBus(1)
    async with asked(bus, tmp_path) as client:
        body = {"matchers": ['asset="pump-1"'], "starts": "2026-01-01T00:00:00Z", "ends": "2099-01-01T00:00:00Z"}
        assert (await client.post("/silences", json=body | {"by": "ann", "comment": "works"})).status_code == 201
        await signalled(bus, firing(1))
        (silence,) = (await client.get("/silences")).json()["silences"]
        assert (silence["by"], silence["comment"], silence["active"]) == ("ann", "works", True)
        assert (await client.get("/alerts")).json()["alerts"][0]["silenced"] is True
        assert (await client.delete(f"/silences/{silence['id']}?by=bob")).status_code == 200
        await signalled(bus, firing(1, finding="f1b"), at=NOW + 60 * SECOND)
        assert (await client.get("/silences")).json() == {"silences": []}
        assert (await client.delete(f"/silences/{silence['id']}")).status_code == 404
        assert [event.by for event in await written(bus, "SilenceEnded")] == ["bob"]


async def test_a_webhook_gets_a_secret_that_is_told_once(tmp_path: Path) -> None:
    """It stands in the vault, in no event and in no later answer; given elsewhere to nobody else."""
    bus = MemoryBus(2)
    spec = {"kind": "webhook", "url": "https://x.example/hook", "events": ["all"], "authorization": "Bearer s3cret"}
    async with asked(bus, tmp_path) as client:
        made = await client.post("/subscribers", json={"name": "x", "spec": spec, "by": "ann"})
        assert made.status_code == 201, made.text
        secret = made.json()["secret"]
        assert secret.startswith("whsec_")
        assert vault_of(tmp_path).get("x") == {"secret": secret, "authorization": "Bearer s3cret"}
        row = (await client.get("/subscribers/x")).json()
        assert (row["secret"], row["by"], row["configured"]) == ("", "ann", False)
        same = {name: text for name, text in spec.items() if name != "authorization"}
        put = await client.put("/subscribers/x", json={"spec": same | {"minimum_severity": "critical"}})
        assert (put.status_code, put.json()["secret"]) == (200, "")
        assert vault_of(tmp_path).get("x")["authorization"] == "Bearer s3cret"
        elsewhere = await client.put("/subscribers/x", json={"spec": same | {"url": "https://evil.example"}})
        assert elsewhere.json()["secret"] not in ("", secret)
        assert "authorization" not in vault_of(tmp_path).get("x")
        for event in await written(bus, "SubscriberSet"):
            assert isinstance(event, SubscriberSet)
            assert "s3cret" not in event.model_dump_json()
            assert secret not in event.model_dump_json()
        assert (await client.delete("/subscribers/x?by=bob")).status_code == 200
        assert (await client.get("/subscribers/x")).status_code == 404
    assert vault_of(tmp_path).get("x") == {}
    assert isinstance((await written(bus, "SubscriberRemoved"))[0], SubscriberRemoved)


async def test_a_secret_is_not_in_the_refusal_of_what_holds_it(tmp_path: Path) -> None:
    """Nor in its log."""
    async with asked(MemoryBus(1), tmp_path) as client:
        spec = {"kind": "webhook", "url": "https://x.example", "secret": "not-a-whsec-s3cret", "port": "s3cret"}
        answer = await client.post("/subscribers", json={"name": "x", "spec": spec})
        assert answer.status_code == 422
        assert "s3cret" not in answer.text


async def test_one_of_the_configuration_is_paused_but_not_changed(tmp_path: Path) -> None:
    """What stands there is the configuration's."""
    bus = MemoryBus(2)
    async with asked(bus, tmp_path) as client:
        assert (await client.put("/subscribers/ann", json={"spec": {"kind": "console"}})).status_code == 422
        assert (await client.delete("/subscribers/ann")).status_code == 422
        assert (await client.post("/subscribers/ann/pause", json={"by": "bob", "note": "away"})).status_code == 200
        row = (await client.get("/subscribers/ann")).json()
        assert (row["state"], row["by"], row["why"], row["configured"]) == ("paused", "bob", "away", True)
        assert (await client.post("/subscribers/ann/test", json={})).status_code == 422
        await client.post("/subscribers/ann/resume", json={})
        assert [row["state"] for row in (await client.get("/subscribers")).json()["subscribers"]] == ["active"] * 2
        states = [
            event.state for event in await written(bus, "SubscriberChanged") if isinstance(event, SubscriberChanged)
        ]
        assert states == ["paused", "active"]


async def test_deliveries_are_shown_the_latest_first(tmp_path: Path) -> None:
    """Of this subscriber alone, with its counters."""
    bus = MemoryBus(2)
    for number in range(6):
        sent = NotificationSent.of(
            cause="n", time=NOW + number, asset="pump", discriminator=str(number), key=f"k{number}", attempt=1,
            subscriber=("ann", "screen")[number % 2], answer="200", latency_ms=5.0,
        )  # fmt: skip
        await bus.append(Place("deliveries", number % 2), list(encode([sent], "delivery")))
    async with asked(bus, tmp_path) as client:
        found = (await client.get("/subscribers/ann/deliveries")).json()
        assert [row["key"] for row in found["deliveries"]] == ["k4", "k2", "k0"]
        assert found["kept"] == []
        assert (await client.get("/subscribers/ann")).json()["sent"] == 3
        assert (await client.post("/subscribers/ann/redeliver", json={})).json() == {"keys": []}


async def test_a_route_is_tried(tmp_path: Path) -> None:
    """Who would be told, and why."""
    async with asked(MemoryBus(1), tmp_path) as client:
        found = (await client.post("/routes/test", json={"labels": {"severity": "critical"}})).json()
        assert [end["receiver"] for end in found["receivers"]] == ["ann"]
        found = (await client.post("/routes/test", json={"labels": {"severity": "info"}})).json()
        assert [end["receiver"] for end in found["receivers"]] == ["screen"]


async def test_without_the_token_nothing_is_read_or_written(tmp_path: Path) -> None:
    """Each of them is behind the same guard."""
    async with asked(MemoryBus(1), tmp_path, token="t") as client:
        for method, path in (
            ("GET", "/alerts"),
            ("POST", "/silences"),
            ("DELETE", "/subscribers/x"),
            ("GET", "/events"),
        ):
            assert (await client.request(method, path)).status_code == 401
        answer = await client.get("/alerts", headers={"Authorization": "Bearer t"})
        assert answer.status_code == 200


async def test_what_could_not_be_delivered_is_sent_again_once(tmp_path: Path) -> None:
    """With the same key, to this subscriber alone; decided by whoever asked."""
    bus = MemoryBus(2)
    for number, name in enumerate(("ann", "screen", "ann")):
        due = NotificationDue.of(
            cause="s", time=NOW, asset="pump", discriminator=str(number), subject="it shakes", body="", severity="info",
            finding="f", key=f"k{number}", subscriber=name,
        )  # fmt: skip
        (frame,) = encode([due], "notification.alerts<signals")
        letter = DeadLettered.of(
            cause=f"notifications/{number}", time=NOW, asset="notification.delivery", agent="notification.delivery",
            origin="notifications", position=number + 1, events=1, reason="refused", frame=boxed(frame.fields()),
        )  # fmt: skip
        await bus.append(Place(DeadLettered.stream, number % 2), list(encode([letter], "delivery")))
    async with asked(bus, tmp_path) as client:
        kept = (await client.get("/subscribers/ann/deliveries")).json()["kept"]
        assert {row["key"] for row in kept} == {"k0", "k2"}
        assert (await client.post("/subscribers/ann/redeliver", json={"keys": ["k2"]})).json() == {"keys": ["k2"]}
        again = (await client.post("/subscribers/ann/redeliver", json={"by": "bob"})).json()
        assert again == {"keys": ["k0"]}
        assert (await client.post("/subscribers/ann/redeliver", json={})).json() == {"keys": []}
    assert {event.by for event in await written(bus, "DeadLetterRedriven")} == {"api", "bob"}
    redriven = [e for n in range(2) for e in await bus.range(Place("notifications", n), 1, 10, count=10)]
    assert len(redriven) == 2


async def test_a_test_message_is_asked_for_in_the_log(tmp_path: Path) -> None:
    """What is sent then follows from that, as everything does."""
    bus = MemoryBus(2)
    async with asked(bus, tmp_path) as client:
        assert (await client.post("/subscribers/ann/test", json={"by": "bob"})).status_code == 202
    (event,) = await written(bus, "SubscriberTested")
    assert (event.name, event.by) == ("ann", "bob")
    part = Alerts(alerting=AlertingSettings.model_validate(ALERTING))
    state = part.start()
    messages = [out for _ in range(2) for out in part.handle(event, state) if isinstance(out, NotificationDue)]
    assert [(message.subscriber, message.why) for message in messages] == [("ann", "test")] * 2
    assert messages[0].key != messages[1].key
