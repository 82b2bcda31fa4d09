"""The envelope: what CloudEvents 1.0 demands of it, for any message."""

import json
import re
from datetime import datetime

import pytest

from agents.notification.delivery.cloudevents import enveloped
from agents.notification.delivery.payload import payload
from contracts.events import NotificationDue
from tests.unit.notification.made import due

REQUIRED = ("id", "source", "specversion", "type")
TEXTS = (*REQUIRED, "subject", "time", "datacontenttype")


@pytest.mark.parametrize(
    "message", [due(), due(channel="temperature"), due(group_key='{}:{asset="p"}'), due("", key="ä\n", status="firing")]
)
def test_every_attribute_is_as_the_specification_has_it(message: NotificationDue) -> None:
    event = json.loads(payload(message, "cloudevents"))
    assert all(re.fullmatch(r"[a-z0-9]{1,20}", name) for name in event)
    assert all(isinstance(event[name], str) and event[name] for name in TEXTS)
    assert event["specversion"] == "1.0"
    assert datetime.fromisoformat(event["time"]).tzinfo is not None
    assert event["datacontenttype"] == "application/json"
    assert event["id"] == event["data"]["key"] == message.key


def test_the_subject_is_the_group_or_the_place() -> None:
    data = {"time": "2023-11-14T22:13:20Z"}
    assert enveloped(due(), data)["subject"] == "pump"
    assert enveloped(due(channel="temperature"), data)["subject"] == "pump/temperature"
    assert enveloped(due(group_key="g"), data)["subject"] == "g"
