"""The drift agent at work on a log of readings, acknowledgements and models."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.drift import Drift
from agents.drift.state import DriftState
from agents.parts import Context
from agents.state import dump
from contracts.events import DriftAcknowledged, DriftDetected, DriftReferenced, ModelServed, ReadingsAccepted
from contracts.readings import Readings, Series

F64 = NDArray[np.float64]
MINUTE = 60_000_000_000
#: 2026-03-02, a Monday, midnight UTC.
MONDAY = 20_514 * 86_400_000_000_000
Step = Readings | DriftAcknowledged | ModelServed
Out = DriftDetected | DriftReferenced


def agent(folder: Path, partitions: int = 1, **settings: Any) -> Drift:
    part = Drift.model_validate({"reference_readings": 600, "false_alarms_per_year": 0.5, **settings})
    part.prepare(Context("drift", folder, partitions=partitions))
    return part


def rows(values: dict[str, F64], begin: int = 0, step: int = MINUTE) -> Readings:
    """Series (``asset/channel``) that are read together, from the minute ``begin`` after that Monday's midnight on."""
    names = [Series("plant", *name.split("/")) for name in values]
    table = np.stack(list(values.values()), axis=1)
    n, k = table.shape
    number = begin + np.repeat(np.arange(n), k)
    code = np.tile(np.arange(k), n)
    return Readings.of(names, code, MONDAY + number * step, table.ravel(), number * k + code)


def ack(asset: str, action: str, channel: str = "", agent: str = "") -> DriftAcknowledged:
    return DriftAcknowledged.of(
        cause="c", time=1, asset=asset, channel=channel, action=action, agent=agent, by="anna", why="new pump"
    )


def served(bundle: str, agent: str = "anomaly") -> ModelServed:
    return ModelServed.of(cause=bundle, time=1, asset=agent, agent=agent, bundle=bundle)


def said(part: Drift, steps: Sequence[Step], cut: int = 4_096, *, saved: bool = False) -> list[Out]:
    """What the agent says of a log; ``saved``: its state goes through bytes after each event."""
    return heard(part, steps, cut, saved=saved)[0]


def heard(part: Drift, steps: Sequence[Step], cut: int = 4_096, *, saved: bool = False) -> tuple[list[Out], DriftState]:
    """As ``said``, with the state in the end."""
    state, out, first = part.start(), list[Out](), 1
    for step in steps:
        pieces = list(replace(step, first=first).cut(cut)) if isinstance(step, Readings) else [step]
        for piece in pieces:
            out += part.handle(ReadingsAccepted(piece) if isinstance(piece, Readings) else piece, state)
            if saved:
                state = part.load(dump(state))
        first += len(step) if isinstance(step, Readings) else 1
    return out, state


def drifts(events: Sequence[Out]) -> list[DriftDetected]:
    return [event for event in events if isinstance(event, DriftDetected)]


def references(events: Sequence[Out]) -> list[DriftReferenced]:
    return [event for event in events if isinstance(event, DriftReferenced)]


def begin(step: Step) -> int:
    """Event time of the first reading."""
    assert isinstance(step, Readings)
    return int(step.time[0])
