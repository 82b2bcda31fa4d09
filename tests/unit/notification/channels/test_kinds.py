"""Each kind of subscriber has its channel, and its module loads only when it is needed."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.notification.delivery.channel import Surroundings
from agents.notification.delivery.channels import channel_for
from bus.memory import MemoryBus
from contracts.subscribers import subscriber
from tests.unit.notification.made import due

SPECS: dict[str, dict[str, Any]] = {
    "alertmanager": {"url": "http://127.0.0.1:9093", "allow_http": True},
    "apprise": {"url": "json://127.0.0.1/"},
    "console": {},
    "email": {"to": ["ann@example.org"], "sender": "tocsin@example.org", "host": "mail.example.org"},
    "file": {"path": "told.jsonl"},
    "pagerduty": {"routing_key": "0" * 32},
    "stream": {},
    "webhook": {"url": "https://example.org/hook"},
}


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.parametrize("kind", SPECS)
async def test_every_kind_can_be_made_and_closed(kind: str, tmp_path: Path) -> None:
    way = channel_for("a", subscriber({"kind": kind} | SPECS[kind]), Surroundings(tmp_path, bus=MemoryBus(1)))
    await way.close()
    assert files(tmp_path) == []


async def test_the_screen_shows_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for said in ({}, {"as_json": True}):
        way = channel_for("a", subscriber({"kind": "console"} | said), Surroundings(tmp_path))
        assert await way.send(due("hot\nand bad")) == "shown"
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("2023-11-14T22:13:20Z hot\\nand bad")
    assert second.startswith('{"type":"NotificationDue"')


def test_nothing_of_it_is_loaded_before_a_subscriber_is_reached() -> None:
    code = (
        "import sys; import agents.notification.delivery.channels\n"
        "print([name for name in ('aiosmtplib', 'apprise') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
