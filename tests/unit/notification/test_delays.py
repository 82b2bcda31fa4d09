"""The benchmark of alerts: what it takes for the delay of a message."""

import pytest

from bench.alerting.latency import delays
from bench.alerting.plant import Plant
from bench.alerting.receiver import Receiver


def test_a_delay_is_from_the_reading_to_the_first_message_that_it_fires() -> None:
    plant, receiver = Plant(3, 60.0, seed=1, faults=3), Receiver()
    plant.began = {"m-000": 10.0, "m-001": 20.0, "m-002": 30.0}

    def said(asset: str, state: str, word: str) -> dict[str, object]:
        return {"alerts": [{"labels": {"asset": asset}, word: state}]}

    receiver.heard = [
        (10.2, "/ours", {"data": said("m-000", "firing", "state")}),
        (10.9, "/ours", {"data": said("m-000", "firing", "state")}),
        (20.1, "/ours", {"data": said("m-001", "resolved", "state")}),
        (20.4, "/ours", {"data": said("m-001", "firing", "state")}),
        (12.0, "/theirs", said("m-000", "firing", "status")),
    ]
    ours, theirs = delays(plant, receiver, "/ours"), delays(plant, receiver, "/theirs")
    assert (ours["told"], ours["missed"]) == (2, 1)
    assert ours["p50_ms"] == pytest.approx(300.0)
    assert (theirs["told"], theirs["missed"], theirs["p50_ms"]) == (1, 2, pytest.approx(2_000.0))
