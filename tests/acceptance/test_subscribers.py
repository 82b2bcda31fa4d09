"""A service that tells subscribers of every kind: no secret gets out, and a replay tells nobody."""

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from tests.integration.delivery.receiver import Receiver, receiving

from .commands import Row, folder, rows, start, tocsin

SIGNING = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"
BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=700)
#: Takes no connection: what a channel says of that must not hold what it was given.
CLOSED = {"allow_http": True, "allow_private": ["127.0.0.1/32"]}


def when(minutes: int) -> str:
    return (BEGIN + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def subscribers(receiver: Receiver) -> dict[str, dict[str, Any]]:
    """One of each kind that has a secret; only the webhook works."""
    return {
        "webhook": {
            "kind": "webhook", "url": receiver.url(), "secret": SIGNING, "authorization": "Bearer canary-webhook",
            **CLOSED,
        },
        "email": {
            "kind": "email", "host": "127.0.0.1", "port": 9, "sender": "a@example.org", "to": ["b@example.org"],
            "username": "ann", "password": "canary-email", "tls": "none",
        },
        "apprise": {"kind": "apprise", "url": "json://ann:canary-apprise@127.0.0.1:9/"},
        "alertmanager": {
            "kind": "alertmanager", "url": "http://127.0.0.1:9", "authorization": "Basic canary-alertmanager", **CLOSED,
        },
        "pagerduty": {
            "kind": "pagerduty", "url": "http://127.0.0.1:9/", "routing_key": "canary-pagerduty-canary-12345678",
            **CLOSED,
        },
    }  # fmt: skip


def configured(base: Path, receiver: Receiver) -> tuple[str, Path, str, Path]:
    """A service whose only series jumps at its end, and the options that name it."""
    lines = [f"{when(i)},{60 + (i * 7919 % 1000) / 1000 + (25 if i >= 697 else 0):.3f}\n" for i in range(700)]
    (base / "grow.csv").write_text("time,temperature\n" + "".join(lines))
    told = subscribers(receiver)
    config = {
        "bus": {"partitions": 2, "tries": 2},
        "alerting": {
            "route": {"receiver": "everybody", "group_wait": "0s"},
            "receivers": {"everybody": {"steps": [{"tell": list(told)}]}},
            "subscribers": told,
        },
        "agents": {
            "acquisition": {"sources": {"grow": {"kind": "follow", "path": str(base / "grow.csv"), "asset": "pump"}}},
            "validation": {"freshness_s": 31_536_000},
            "anomaly": {},
            "notification": {},
        },
    }
    (base / "tocsin.yaml").write_text(json.dumps(config))
    return "--config", base / "tocsin.yaml", "--data-dir", base / "d"


def holding(folder: Path, secret: bytes) -> list[Path]:
    """The files with the secret in them."""
    return [path for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]


async def command(*arguments: str | Path) -> str:
    """A command beside the receiver, which answers meanwhile."""
    return await to_thread.run_sync(lambda: tocsin(*arguments))


@pytest.mark.soak  # it takes a service and six commands: up to a minute
async def test_secrets_stay_where_they_are_and_a_replay_tells_nobody() -> None:
    with folder() as base:
        async with receiving() as receiver:
            where = configured(base, receiver)
            service = start("up", *where)
            ended: list[Row] = []
            with anyio.fail_after(100):
                while {row["subscriber"] for row in ended} != set(subscribers(receiver)):
                    told = rows(await command("export", "--all", "--stream", "deliveries", *where))
                    ended = [row for row in told if row["type"] != "DeliveryAttempted"]
            service.send_signal(signal.SIGTERM)
            said = await to_thread.run_sync(lambda: "".join(service.communicate(timeout=60)))
            assert [row["subscriber"] for row in ended if row["type"] == "NotificationSent"] == ["webhook"]
            (request,) = receiver.taken
            assert request.headers["authorization"] == "Bearer canary-webhook"
            said += await command("export", "--all", *where) + await command("config", "show", *where)
            said += await command("dlq", "ls", "--json", *where)
            connections = receiver.connections
            said += await command("replay", "--from", when(0), "--to", when(800), "--diff", *where)
            assert receiver.connections == connections, "nobody is told again"
        for secret in ("canary", SIGNING, SIGNING.removeprefix("whsec_")):
            assert secret not in said
            assert [
                path for path in (base / "d").rglob("*") if path.is_file() and secret.encode() in path.read_bytes()
            ] == []
        assert "given up" in said, "what is searched holds what failed"
