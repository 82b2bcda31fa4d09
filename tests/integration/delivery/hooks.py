"""Webhooks to receivers on this machine."""

from pathlib import Path
from typing import Any

from agents.notification.delivery.channel import Surroundings
from agents.notification.delivery.safe import Resolve, system
from agents.notification.delivery.webhook import WebhookChannel
from contracts.subscribers import WebhookSubscriber, subscriber
from tests.integration.delivery.messages import due

HERE = ("127.0.0.1/32",)


def channel(url: str, tmp_path: Path, *, resolve: Resolve = system, **spec: Any) -> WebhookChannel:
    given = {"allow_http": True, "allow_private": HERE, "timeout": 60.0, **spec}
    found = subscriber({"kind": "webhook", "url": url, **given})
    assert isinstance(found, WebhookSubscriber)
    return WebhookChannel("hook", found, Surroundings(tmp_path), resolve)


async def sent(channel: WebhookChannel, number: int = 0, alerts: int = 0) -> str:
    try:
        return await channel.send(due("hook", number, alerts=alerts))
    finally:
        await channel.close()
