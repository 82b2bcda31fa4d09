"""A bundle of an incident takes along every model that was in force, and the configuration of before."""

from pathlib import Path
from typing import Any

import pytest

from agents.replay.passage import Start
from agents.state import dump
from bus.protocol import Entry, Snapshot
from console.options import Loaded
from console.past.packing import Packing
from contracts.events import AnomalyDetected, Candidate, Event, Evidence
from contracts.frames import encode
from contracts.settings import load
from tests.unit.anomaly.bundles import anomaly, made, said, served
from tests.unit.drift.logs import agent as drift
from tests.unit.drift.logs import heard
from tests.unit.drift.logs import served as drift_served


@pytest.fixture
def packing() -> Packing:
    settings, file = load()
    found = Packing(Loaded(settings, file), None, 0, 0, lambda count: None)  # type: ignore[arg-type] # no record is read here
    found._serving = {"anomaly": "own"}
    return found


def entry(event: Event, writer: str) -> Entry:
    (frame,) = encode([event], writer)
    return Entry(1, 1, frame.fields())


def found(bundle: str) -> AnomalyDetected:
    evidence = Evidence(stream="readings.accepted", first=1, last=1)
    common: dict[str, Any] = {"detector": "mad", "feature_set": "f", "environment": "e", "evidence": evidence}
    return AnomalyDetected.of(
        cause=bundle, time=1, asset="m", bundle=bundle, score=1.0, threshold=0.5, reason="r", value=1.0, **common
    )


def configured(packing: Packing) -> str:
    return str(packing._configuration()["agents"]["anomaly"]["bundle_digest"])


def test_what_the_log_says_to_serve_goes_along_and_is_no_configuration(packing: Packing) -> None:
    task = "anomaly<readings.accepted"
    for bundle in ("before", "new", "beside"):
        packing._note_models(entry(found(bundle), task))
    candidate = Candidate(bundle="beside", mode="canary", share=10.0, rollout="r")
    packing._note_models(entry(served("new", candidate), "anomaly"))
    packing._note_models(entry(served("silent"), "anomaly"))
    assert packing._models == {"before", "new", "beside", "silent"}
    assert configured(packing) == "before"


@pytest.mark.parametrize("said_by_the_log", [True, False])
def test_a_state_names_the_models_that_it_is_of(packing: Packing, tmp_path: Path, said_by_the_log: bool) -> None:
    part, mad = anomaly(tmp_path, detector="limits", parameters={"high": 3.0}), made(tmp_path, "mad").digest
    shadow = Candidate(bundle=mad, mode="shadow", rollout="r")
    _, state = said(part, [served(part.bundle, shadow)] if said_by_the_log else [])
    start = Start("anomaly<readings.accepted", part, "readings.accepted")
    packing._note_state(start, Snapshot("1", dump(state)))
    assert packing._models == ({part.bundle, mad} if said_by_the_log else {part.bundle})
    assert configured(packing) == ("own" if said_by_the_log else part.bundle)


def test_a_state_of_drift_names_the_models_that_it_has_references_of(packing: Packing, tmp_path: Path) -> None:
    """They may be served since long before the bundle begins, and have found nothing in it."""
    part, mad = drift(tmp_path), made(tmp_path, "mad").digest
    steps = [drift_served(mad, agent=name) for name in ("anomaly", "anomaly.fans", "assets")]
    _, state = heard(part, steps)
    packing._note_state(Start("drift<readings.accepted", part, "readings.accepted"), Snapshot("1", dump(state)))
    assert packing._models == {mad}
