"""PagerDuty's Events API v2: a local server that takes what the public documentation allows, and nothing else."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from anyio.abc import ByteStream

from agents.notification.delivery.channel import Surroundings
from agents.notification.delivery.pagerduty import PagerDutyChannel
from contracts.errors import Refused, RetryLater, Unavailable
from contracts.subscribers import PagerDutySubscriber
from tests.integration.channels.messages import about, note
from tests.integration.delivery.receiver import Request, plain, receiving, resets
from tests.unit.notification.made import due

KEY = "0123456789abcdefCANARY0123456789"
FIELDS = {"routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"}
PAYLOAD = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}


def wrong_with(event: dict[str, Any]) -> list[str]:
    """What the Events API v2 has against an event."""
    errors = [f"unknown {name}" for name in event.keys() - FIELDS]
    if event.get("routing_key") != KEY:
        errors.append("routing_key")
    if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        errors.append("event_action")
    if not 1 <= len(event.get("dedup_key", "")) <= 255:
        errors.append("dedup_key")
    if event.get("event_action") != "trigger":
        return errors
    payload = event.get("payload", {})
    errors += [f"unknown {name}" for name in payload.keys() - PAYLOAD]
    errors += [name for name in ("summary", "source") if not isinstance(payload.get(name), str) or not payload[name]]
    if len(payload.get("summary", "")) > 1024:
        errors.append("summary is too long")
    if payload.get("severity") not in ("critical", "error", "warning", "info"):
        errors.append("severity")
    if "timestamp" in payload and datetime.fromisoformat(payload["timestamp"]).tzinfo is None:
        errors.append("timestamp")
    if not isinstance(payload.get("custom_details", {}), dict):
        errors.append("custom_details")
    return errors


class Incidents:
    """What became of each incident."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.state: dict[str, str] = {}
        self.refused: list[list[str]] = []

    async def __call__(self, request: Request, stream: ByteStream) -> str:
        event = json.loads(request.body)
        errors = wrong_with(event) + ["too large"] * (len(request.body) > 512 << 10)
        if request.path != "/v2/enqueue" or errors:
            self.refused.append(errors)
            body = json.dumps({"status": "invalid event", "message": "Event object is invalid", "errors": errors})
            return await plain(400, body=body.encode())(request, stream)
        self.events.append(event)
        self.state[event["dedup_key"]] = event["event_action"]
        said = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
        return await plain(202, body=json.dumps(said).encode())(request, stream)


def channel(url: str, folder: Path, key: str = KEY) -> PagerDutyChannel:
    said: dict[str, Any] = {"routing_key": key, "url": url, "allow_http": True, "allow_private": ("127.0.0.0/8",)}
    return PagerDutyChannel("duty", PagerDutySubscriber(**said), Surroundings(folder))


async def test_a_group_is_one_incident_from_trigger_to_resolve(tmp_path: Path) -> None:
    incidents = Incidents()
    async with receiving() as receiver:
        receiver.answer = incidents
        way = channel(receiver.url("/v2/enqueue"), tmp_path)
        group = '{}:{asset="pump"}'
        assert await way.send(about(note("a1"), group=group)) == "202"
        await way.send(about(note("a1"), note("a2", severity="critical"), group=group))
        assert incidents.state == {group: "trigger"}
        await way.send(about(note("a1", "resolved"), note("a2", "resolved"), group=group))
        assert incidents.state == {group: "resolve"}
        await way.close()
    first = incidents.events[0]["payload"]
    assert (first["summary"], first["source"], first.get("component", "")) == (
        "it is hot", "pump", "")  # fmt: skip
    assert first["custom_details"]["alerts"][0]["summary"] == "a1 is wrong"
    assert KEY not in json.dumps(first)


async def test_an_alert_of_its_own_is_acknowledged_with_its_owner(tmp_path: Path) -> None:
    incidents = Incidents()
    async with receiving() as receiver:
        receiver.answer = incidents
        way = channel(receiver.url("/v2/enqueue"), tmp_path)
        for each in (note("a1"), note("a2"), note("a1", owner="ann"), note("a2", "resolved")):
            await way.send(about(each))
        await way.close()
    assert [event["event_action"] for event in incidents.events] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert incidents.state == {"a1": "acknowledge", "a2": "resolve"}


async def test_a_test_leaves_no_incident_open(tmp_path: Path) -> None:
    incidents = Incidents()
    async with receiving() as receiver:
        receiver.answer = incidents
        way = channel(receiver.url("/v2/enqueue"), tmp_path)
        assert await way.send(due("only a test", key="t1", why="test")) == "202"
        await way.close()
    assert [event["event_action"] for event in incidents.events] == ["trigger", "resolve"]
    assert incidents.state == {"t1": "resolve"}


async def test_no_message_is_too_long_for_the_api(tmp_path: Path) -> None:
    incidents = Incidents()
    async with receiving() as receiver:
        receiver.answer = incidents
        way = channel(receiver.url("/v2/enqueue"), tmp_path)
        many = [note(f"a{number}", detail="ä" * 20_000) for number in range(50)]
        await way.send(about(*many, group="g" * 5_000, subject="é" * 5_000, body="ü" * 300_000))
        await way.send(due("", key="x" * 300))
        await way.close()
    assert incidents.refused == []
    assert len(incidents.events) == 2
    assert incidents.events[0]["payload"]["custom_details"]["firing"] == 50


async def test_what_is_refused_is_refused_and_what_may_pass_is_tried_again(tmp_path: Path) -> None:
    async with receiving() as receiver:
        way = channel(receiver.url("/v2/enqueue"), tmp_path)
        receiver.answer = Incidents()
        other = channel(receiver.url("/v2/enqueue"), tmp_path, KEY[::-1])
        with pytest.raises(Refused, match="answered 400") as told:
            await other.send(due())
        assert "CANARY" not in repr(told.value)
        receiver.answer = plain(429, "retry-after: 7")
        with pytest.raises(RetryLater) as later:
            await way.send(due())
        assert later.value.after_s == 7
        receiver.answer = resets
        with pytest.raises(Unavailable):
            await way.send(due())
        receiver.answer = plain(500)
        with pytest.raises(Unavailable, match="500"):
            await way.send(due())
        await way.close()
        await other.close()


@pytest.mark.parametrize("key", ["", "short-CANARY", KEY + "0", KEY[:-1] + "\n"])
def test_a_key_that_cannot_be_one_is_refused_without_being_told(key: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="32 letters") as told:
        channel("https://events.pagerduty.com/v2/enqueue", tmp_path, key)
    assert "CANARY" not in repr(told.value)
