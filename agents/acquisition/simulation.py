"""Runs the simulated machines step by step."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.errors import Unavailable
from contracts.identity import digest
from contracts.instants import SECOND
from contracts.readings import Float64, Readings, Series

from ..parts import Harvest
from .machines import CHUNK, Machine, Planted, machines

if TYPE_CHECKING:
    from .plant import Plant


class Simulation:
    """A plant at a step. ``state`` is what ``resume`` said: the steps done, and when it all began."""

    def __init__(self, plant: "Plant", source: str, state: dict[str, Any]) -> None:
        self.step: int = state["row"]
        self._plant = plant
        self._machines = machines(plant.machines, plant.seed, plant.interval_s)
        self._series = [
            Series(source, machine.asset, channel) for machine in self._machines for channel in machine.sensors
        ]
        self._start, self._began = state["start"], state["began"]
        self._interval = round(plant.interval_s * SECOND)
        self._marks = digest(
            *plant.machines,
            *map(str, (plant.seed, plant.interval_s, plant.with_faults, plant.fault_every, plant.healthy)),
        )
        if state.get("plant", self._marks) != self._marks:
            raise Unavailable(
                f"source {source}: its settings changed after {self.step:,} steps",
                mend="a simulated plant with other settings is another plant: give it another name",
            )

    def due(self, now: int, speed: float) -> int:
        """How many steps should have been given out by now and were not."""
        return int((now - self._began) * speed // self._interval) + 1 - self.step

    def wait_s(self, now: int, speed: float) -> float:
        """Seconds until the next step is due."""
        return float(self._began + self.step * self._interval / speed - now) / SECOND

    def next(self, size: int) -> Harvest | None:
        """The readings of the next steps; None when no sensor says anything in them."""
        steps = np.arange(self.step, self.step + size)
        self.step += size
        values = np.concatenate([self._values(machine, steps) for machine in self._machines]).T
        said = ~np.isnan(values)
        if not said.any():
            return None
        code = np.broadcast_to(np.arange(len(self._series)), values.shape)
        place = np.broadcast_to(steps[:, None], values.shape)[said]
        readings = Readings.of(self._series, code[said], self._start + place * self._interval, values[said], place + 1)
        state = {"v": 1, "row": self.step, "start": self._start, "began": self._began, "plant": self._marks}
        return Harvest(readings, json.dumps(state, separators=(",", ":")))

    def _values(self, machine: Machine, steps: "np.ndarray[Any, np.dtype[np.int64]]") -> Float64:
        first, last = int(steps[0]) // CHUNK, int(steps[-1]) // CHUNK
        faults = _planted(self._plant, machine, int(steps[0]), int(steps[-1])) if self._plant.with_faults else []
        chunks = [machine.chunk(number, faults) for number in range(first, last + 1)]
        begin = int(steps[0]) - first * CHUNK
        return np.concatenate(chunks, axis=1)[:, begin : begin + len(steps)]


def planted(plant: "Plant", start: int, steps: int) -> list[Planted]:
    """All faults that begin in the first steps of a plant, by time."""
    if not plant.with_faults:
        return []
    interval = round(plant.interval_s * SECOND)
    found = [
        Planted(
            fault.asset,
            fault.channel,
            fault.kind,
            fault.first,
            min(fault.last, steps - 1),
            start + fault.first * interval,
            start + min(fault.last, steps - 1) * interval,
        )
        for machine in machines(plant.machines, plant.seed, plant.interval_s)
        for fault in _planted(plant, machine, 0, steps - 1)
    ]
    return sorted(found, key=lambda fault: (fault.start, fault.asset, fault.channel))


def _planted(plant: "Plant", machine: Machine, first: int, last: int) -> list[Planted]:
    """The faults of one machine that touch some steps."""
    windows = range(
        max((first - plant.healthy) // plant.fault_every, 0), (last - plant.healthy) // plant.fault_every + 1
    )
    return [
        fault
        for window in windows
        for fault in machine.faults(window, plant.healthy + window * plant.fault_every, plant.fault_every)
        if fault.first <= last and fault.last >= first
    ]
