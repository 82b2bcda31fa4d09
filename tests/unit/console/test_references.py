"""What keeps a bundle: events that log and archive still hold, and the configuration."""

from typing import Any

import pytest

from bus.memory import MemoryBus
from bus.protocol import Place
from console.versions.references import configured, logged, named
from contracts.deployments import Candidate, RolloutChanged
from contracts.events import AnomalyDetected, Event, Evidence, ModelLoaded, ModelPromoted, ModelPublished, ModelRefused
from contracts.frames import encode
from contracts.settings import AgentSettings, Settings

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
ABOUT: dict[str, Any] = {"cause": "x", "time": 1, "asset": "pump-1"}

EVENTS: dict[str, tuple[Event, set[str]]] = {
    "loaded": (ModelLoaded.of(**ABOUT, bundle=A, previous=B, agent="anomaly"), {A, B}),
    "promoted": (ModelPromoted.of(**ABOUT, name="m", alias="production", model_version="1", bundle=C), {C}),
    "rollout": (
        RolloutChanged.of(
            **ABOUT, agent="anomaly", state="running", by="ann",
            candidate=Candidate(bundle=D, mode="shadow", rollout="r"),
        ),
        {D},
    ),
    "refused": (ModelRefused.of(**ABOUT, bundle=A, agent="anomaly", reason="damaged"), set()),
    "published": (ModelPublished.of(**ABOUT, name="m", model_version="1", bundle=A, run_id="r"), set()),
}  # fmt: skip


def finding(bundle: str) -> AnomalyDetected:
    return AnomalyDetected.of(
        **ABOUT, score=0.9, threshold=0.5, reason="level", value=1.0, detector="ewma", bundle=bundle, feature_set="f",
        environment="e", evidence=Evidence(stream="readings.accepted", first=1, last=2),
    )  # fmt: skip


@pytest.mark.parametrize("what", EVENTS)
def test_an_event_keeps_the_bundles_that_it_names_as_such(what: str) -> None:
    event, keeps = EVENTS[what]
    assert named(event) == keeps


async def test_every_partition_is_looked_at_and_the_reason_is_told() -> None:
    bus = MemoryBus(3)
    for number, event in ((0, finding(A)), (2, finding(B)), (1, EVENTS["promoted"][0])):
        await bus.append(Place(event.stream, number), list(encode([event], "test")))
    assert await logged(bus) == {A: "a finding", B: "a finding", C: "a deployment"}


def test_the_configuration_keeps_what_it_names() -> None:
    settings = Settings.model_construct(agents={"anomaly": AgentSettings.model_validate({"bundle_digest": A})})
    assert configured(settings) == {A: "the configuration"}
