"""From a subscriber to its channel. What a kind needs is imported when the first subscriber of it is reached."""

from importlib import import_module
from typing import Any

from contracts.subscribers import Subscriber

from .channel import Channel, Surroundings

#: Kind -> module of this package, and the class in it, made with (name, subscriber, surroundings).
_KINDS = {
    "alertmanager": ("alertmanager", "AlertmanagerChannel"),
    "apprise": ("apprise", "AppriseChannel"),
    "console": ("console", "ConsoleChannel"),
    "email": ("email", "EmailChannel"),
    "file": ("file", "FileChannel"),
    "pagerduty": ("pagerduty", "PagerDutyChannel"),
    "stream": ("stream", "StreamChannel"),
    "webhook": ("webhook", "WebhookChannel"),
}


def channel_for(name: str, subscriber: Subscriber, surroundings: Surroundings) -> Channel:
    """The channel of a subscriber, secrets included in it.

    Raises Unavailable when an optional library is missing, Refused or ValueError when its settings cannot work.
    """
    module, cls = _KINDS[subscriber.kind]
    made: Any = getattr(import_module(f".{module}", __package__), cls)
    channel: Channel = made(name, subscriber, surroundings)
    return channel
