"""A recorded stream of signals comes out as it did: who was told of what, and when."""

import json
from collections import Counter

import pytest

from agents.state import dump
from tests.histories.alerts import event, load, row
from tests.unit.notification.alerts.sequence import Scene

SETTINGS, LINES = load()


@pytest.mark.parametrize("saved_every", [0, 20])
def test_alerts_and_messages_are_those_of_then(saved_every: int) -> None:
    scene, seen = Scene(**SETTINGS), Counter[str]()
    for number, (given, recorded) in enumerate(LINES):
        if saved_every and number % saved_every == 0:
            scene.state = scene.part.load(dump(scene.state))
        out = [json.loads(json.dumps(row(each))) for each in scene.part.handle(event(given), scene.state)]
        # What a later version adds was not known then.
        known = [{name: data.get(name, "gone") for name in before} for data, before in zip(out, recorded, strict=False)]
        assert (known, len(out)) == (recorded, len(recorded)), f"event {number}"
        seen.update(data["type"] for data in recorded)
    assert set(seen) == {"AlertChanged", "NotificationDue"}
    assert min(seen.values()) > 100
