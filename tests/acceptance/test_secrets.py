"""A canary in every setting that holds a secret: it gets to whom it is for, and nowhere else."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from agents.acquisition import http
from bus.embedded import _binary, tie_to_parent
from contracts import sections, settings, subscribers
from tests.integration.test_doctor import free_port

from .commands import ROOT, TOCSIN, folder, processes, rows, wait_for
from .nursery import Nursery

WORD = "canary"
SIGNING, OLD = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5", "whsec_b2xkLWNhbmFyeS1vbGQtY2FuYXJ5LW9sZC1jYW5hcnk="
#: Everything that may be nowhere; what is part of another one is found with it.
SECRETS = (WORD, SIGNING.removeprefix("whsec_"), OLD.removeprefix("whsec_"))
COVERED = {
    *("RedisSettings.password", "RedisSettings.sentinel_password", "ApiSettings.token", "HttpPush.token"),
    *("WebhookSubscriber.secret", "WebhookSubscriber.old_secret", "WebhookSubscriber.authorization"),
    *("EmailSubscriber.password", "AppriseSubscriber.url", "AlertmanagerSubscriber.authorization"),
    "PagerDutySubscriber.routing_key",
}
CLOSED = {"allow_http": True, "allow_private": ["127.0.0.1/32"]}
HERE = "http://127.0.0.1:9/"


def told() -> dict[str, dict[str, Any]]:
    """A subscriber of each kind that has a secret; nobody takes their connections, so all of them fail."""
    webhook = {"secret": SIGNING, "old_secret": OLD, "authorization": "Bearer canary-webhook"}
    return {
        "webhook": {"kind": "webhook", "url": HERE, **webhook, **CLOSED},
        "email": {"kind": "email", "host": "127.0.0.1", "port": 9, "sender": "a@example.org", "to": ["b@example.org"],
                  "username": "ann", "password": "canary-email", "tls": "none"},
        "apprise": {"kind": "apprise", "url": "json://ann:canary-apprise@127.0.0.1:9/"},
        "alertmanager": {"kind": "alertmanager", "url": HERE, "authorization": "Basic canary-manager", **CLOSED},
        "pagerduty": {"kind": "pagerduty", "url": HERE, "routing_key": "canary-pagerduty-canary-12345678", **CLOSED},
    }  # fmt: skip


def configuration(base: Path, ports: tuple[int, int]) -> dict[str, Any]:
    """A series that jumps at its end, whom to tell of that, and an address for readings and one for requests."""
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=700)
    stamps = [(begin + timedelta(minutes=i)).strftime("%Y-%m-%dT%H:%M:%SZ") for i in range(700)]
    lines = [
        f"{stamp},{60 + (i * 7919 % 1000) / 1000 + (25 if i >= 697 else 0):.3f}\n" for i, stamp in enumerate(stamps)
    ]
    (base / "grow.csv").write_text("time,temperature\n" + "".join(lines))
    sources = {
        "grow": {"kind": "follow", "path": str(base / "grow.csv"), "asset": "pump"},
        "push": {"kind": "http", "port": ports[0], "token": "canary-push"},
    }
    everybody = list(told())
    return {
        "bus": {"partitions": 1, "tries": 2},
        "redis": {"url": f"unix://{base / 'r.sock'}", "sentinel_password": "canary-sentinel"},
        "mlflow": {"uri": "http://ann:canary-mlflow@127.0.0.1:9"},
        "tracing": {"endpoint": "http://ann:canary-tracing@127.0.0.1:9"},
        "api": {"port": ports[1]},
        "alerting": {
            "route": {"receiver": "all", "group_wait": "0s"},
            "receivers": {"all": {"steps": [{"tell": everybody}]}},
            "subscribers": told(),
        },
        "agents": {
            "acquisition": {"sources": sources},
            "validation": {"freshness_s": 31_536_000},
            "anomaly": {},
            "notification": {},
        },
    }


@contextmanager
def guarded_server(base: Path) -> Iterator[None]:
    """A server that asks for a password, which it reads from a file as it should."""
    options = f"requirepass canary-redis\nappendonly yes\nport 0\nunixsocket {base / 'r.sock'}\ndir {base / 'r'}\n"
    (base / "r").mkdir()
    (base / "r.conf").write_text(options)
    command = [_binary(), str(base / "r.conf")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=tie_to_parent()) as server:  # noqa: PLW1509 - two system calls
        wait_for((base / "r.sock").exists)
        yield
        server.terminate()


def shown_of(data_dir: Path) -> str:
    """What everybody on the machine sees of our processes."""
    return "\n".join(processes(data_dir).values())


def test_no_canary_gets_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with folder() as base, guarded_server(base):
        ports = free_port(), free_port()
        for name, secret in (("REDIS__PASSWORD", "canary-redis"), ("API__TOKEN", "canary-token-of-the-interface")):
            (base / name).write_text(secret)
            monkeypatch.setenv(f"TOCSIN_{name}_FILE", str(base / name))
        (base / "tocsin.yaml").write_text(json.dumps(configuration(base, ports)))
        where = ("--config", base / "tocsin.yaml", "--data-dir", base / "d")
        with (base / "up.log").open("wb") as log:
            up = subprocess.Popen([*TOCSIN, "up", *map(str, where)], stdout=log, stderr=log, cwd=ROOT)
        nursery = Nursery()

        def tried() -> set[str]:
            found = rows(nursery.tocsin("export", "--all", "--stream", "deliveries", *where))
            return {row["subscriber"] for row in found if row["type"] == "NotificationFailed"}

        try:
            with httpx.Client(timeout=20) as client:
                wait_for(lambda: requested(client, ports, "canary-wrong"))
                requested(client, ports, "canary-push")
            wait_for(lambda: tried() == set(told()))
            seen = shown_of(base / "d")
            finding = next(row["id"] for row in rows(nursery.tocsin("export", "--stream", "anomalies", *where)))
            nursery.tocsin("incident", finding, "--output", base / "report", *where)
            seen += nursery.tocsin("doctor", "--json", *where, code=69) + nursery.tocsin(
                "recover", "--json", *where, code=1
            )
            seen += nursery.tocsin("config", "show", *where) + nursery.tocsin("export", "--all", *where)
            seen += nursery.tocsin("dlq", "ls", "--json", *where) + nursery.tocsin("subscribers", "ls", *where)
        finally:
            up.terminate()
            up.wait(30)
            nursery.close()
        seen += (base / "up.log").read_text()
        assert "given up" in seen, "what is searched holds what failed"
        assert [secret for secret in SECRETS if secret in seen] == []
        assert [(path, s) for path in files(base) for s in SECRETS if s.encode() in path.read_bytes()] == []


def files(base: Path) -> list[Path]:
    """What was written: the log of the server, states, reports; not what the secrets were given in."""
    return [path for part in ("d", "r", "report") for path in (base / part).rglob("*") if path.is_file()]


def requested(client: httpx.Client, ports: tuple[int, int], token: str) -> bool:
    """Whether both addresses answered somebody with this token."""
    headers = {"Authorization": f"Bearer {token}"}
    try:
        pushed = client.post(f"http://127.0.0.1:{ports[0]}/", content=b"{", headers=headers).status_code
        asked = client.get(f"http://127.0.0.1:{ports[1]}/api/v1/alerts?token={token}", headers=headers).status_code
    except httpx.TransportError:
        return False
    return bool(pushed and asked)


def test_every_setting_with_a_secret_has_a_canary() -> None:
    """A new one fails here until it has one above."""
    found = {
        f"{kind.__name__}.{name}"
        for module in (sections, settings, subscribers, http)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, BaseModel)
        for name, field in kind.model_fields.items()
        if "SecretStr" in repr(field.annotation)
    }
    assert found == COVERED
