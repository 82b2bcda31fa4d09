"""Readings of a machine with several channels, and what the agents say of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from agents.anomaly import Assets
from agents.parts import Context, Processor
from agents.state import dump, restore
from contracts.events import AnyEvent, ReadingsAccepted
from contracts.instants import SECOND
from contracts.readings import Readings, Series

NAMES = ("flow", "vibration", "heat")
ROWS, BEGIN, END = 700, 500, 600


def pump(seed: int = 1) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Rows of three channels; flow and, less, vibration move during a fault."""
    values = np.random.default_rng(seed).normal(10, 1, (ROWS, 3))
    values[BEGIN:END] += [5, 3, 0]
    return values


def readings(values: Any, names: Sequence[str] = NAMES, asset: str = "pump") -> Readings:
    """One reading per cell, row by row, one row a second; NaN is no reading."""
    rows, columns = values.shape
    there = ~np.isnan(values.ravel())
    number = np.repeat(np.arange(rows), columns)[there]
    series = [Series("plant", asset, name) for name in names]
    return Readings.of(series, np.tile(np.arange(columns), rows)[there], number * SECOND, values.ravel()[there], number)


def told(part: Processor[Any, Any, Any], given: Readings, cut: int = 10**6, *, saved: bool = False) -> list[AnyEvent]:
    """What a prepared part says; ``saved``: its state goes through bytes after each batch."""
    state, out, first = part.start(), [], 1
    for batch in given.cut(cut):
        out += list(part.handle(ReadingsAccepted(replace(batch, first=first)), state))
        first += len(batch)
        if saved:
            state = restore(part.start(), dump(state))
    return out


def assets(folder: Path, **settings: Any) -> Assets:
    part = Assets.model_validate(settings)
    part.prepare(Context("assets", folder))
    return part
