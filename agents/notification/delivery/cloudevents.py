"""The envelope of CloudEvents 1.0, structured mode: what receivers of events take without a program for us."""

from typing import Any

from contracts.events import NotificationDue
from contracts.identity import series_name

#: Content type of a request whose body is one event.
CONTENT_TYPE = "application/cloudevents+json"


def enveloped(message: NotificationDue, data: dict[str, Any]) -> dict[str, Any]:
    """A CloudEvent about the message with ``data`` in it; its ``id`` is the key, the same at every delivery."""
    where = series_name(message.asset, message.channel)
    return {
        "specversion": "1.0",
        "id": message.key,
        "source": "tocsin",
        "type": "tocsin.notification",
        "subject": message.group_key or where,
        "time": data["time"],
        "datacontenttype": "application/json",
        "data": data,
    }
