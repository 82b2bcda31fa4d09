"""A fifth of a sensor's readings stop coming, or come as NaN and are rejected, and drift detection sees only those that
were accepted: they look as ever. The sensor fails for good weeks later, and nobody was told.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.validation import Validation
from contracts.events import DriftDetected, ReadingsAccepted, ReadingsAcquired
from contracts.readings import Readings, Verdict
from models.drift import holes
from models.drift.words import F64, I64
from tests.unit.drift.logs import agent, drifts, rows, said


def accepted(readings: Readings) -> Readings:
    validation = Validation()
    out = validation.handle(ReadingsAcquired(replace(readings, first=1)), validation.start())
    (found,) = [event.readings for event in out if isinstance(event, ReadingsAccepted)]
    return found


def told(folder: Path, seed: int, *, rejected: bool) -> Sequence[DriftDetected]:
    """What the drift agent says of a sensor of which a fifth is missing from the 1,000th minute on."""
    rng = np.random.default_rng(seed)
    whole = rows({"m1/a": 20 + rng.standard_normal(1_300)})
    gone = (rng.random(1_300) < 0.2) & (np.arange(1_300) >= 1_000)
    if not rejected:
        return drifts(said(agent(folder), [accepted(whole.take(np.flatnonzero(~gone)))]))
    verdict = np.where(gone, Verdict.NOT_A_NUMBER, Verdict.OK).astype(np.uint8)
    spoilt = replace(whole, value=np.where(gone, np.nan, whole.value), verdict=verdict)
    return drifts(said(agent(folder), [accepted(spoilt)]))


def check(folder: Path) -> None:
    for seed in range(3):
        for rejected in (False, True):
            kinds = [event.kind for event in told(folder, seed, rejected=rejected)]
            assert kinds == ["missing"], f"told as {kinds}"


def test_readings_that_are_missing_are_told_as_a_fault(tmp_path: Path) -> None:
    check(tmp_path)


def test_who_looks_at_accepted_values_alone_sees_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(steps: I64, interval: F64) -> I64:
        return np.zeros(len(steps), np.int64)

    monkeypatch.setattr(holes, "missed", none)
    with pytest.raises(AssertionError, match=r"told as \[\]"):
        check(tmp_path)
