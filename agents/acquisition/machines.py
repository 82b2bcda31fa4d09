"""How the simulated machines behave, and which faults are planted in them.

Values come in chunks of fixed steps, each from its own random numbers, so any step can be computed without the steps
before it, and comes out the same however the steps are asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from contracts.readings import Float64

CHUNK = 1024
DAY_S = 86_400.0
_MEMORY, _DECAY = 48, 0.9
_WHITE, _CHARACTER, _FAULT = 1, 2, 3


class Sensor(NamedTuple):
    """base value, swing over the day, effect of full load, noise (standard deviation), digits shown."""

    base: float
    daily: float
    load: float
    noise: float
    digits: int


KINDS: Mapping[str, Mapping[str, Sensor]] = {
    "pump": {
        "temperature": Sensor(55.0, 2.5, 6.0, 0.25, 2),
        "vibration": Sensor(2.0, 0.0, 0.5, 0.08, 3),
        "pressure": Sensor(4.2, 0.0, 0.6, 0.03, 3),
        "current": Sensor(11.0, 0.2, 3.5, 0.10, 2),
        "flow": Sensor(120.0, 0.0, 25.0, 0.9, 1),
    },
    "compressor": {
        "temperature": Sensor(78.0, 3.0, 9.0, 0.35, 2),
        "vibration": Sensor(3.1, 0.0, 0.9, 0.10, 3),
        "pressure": Sensor(7.5, 0.0, 1.1, 0.04, 3),
        "current": Sensor(32.0, 0.4, 9.0, 0.25, 2),
    },
    "fan": {
        "temperature": Sensor(41.0, 3.0, 4.0, 0.20, 2),
        "vibration": Sensor(1.3, 0.0, 0.4, 0.05, 3),
        "current": Sensor(4.5, 0.1, 1.4, 0.05, 2),
        "flow": Sensor(850.0, 0.0, 160.0, 6.0, 1),
    },
}

#: kind -> part of a fault window that it lasts
FAULTS: Mapping[str, float] = {
    "spikes": 0.06,
    "bearing wear": 0.30,
    "sensor stuck": 0.08,
    "valve stuck": 0.08,
    "drift": 0.30,
    "dropout": 0.04,
}


@dataclass(frozen=True)
class Planted:
    """A fault in one channel, from step ``first`` to step ``last``; ``start`` and ``end`` are their times in ns."""

    asset: str
    channel: str
    kind: str
    first: int
    last: int
    start: int = 0
    end: int = 0


class Machine:
    """One machine; ``number`` parts its random numbers from those of the others."""

    def __init__(self, kind: str, asset: str, number: int, seed: int, interval_s: float) -> None:
        self.asset = asset
        self.sensors = KINDS[kind]
        self._number, self._seed, self._interval = number, seed, interval_s
        character = self._random(_CHARACTER)
        self._day_phase, self._load_phase = character.uniform(0, 2 * np.pi, 2)
        self._load_period = character.uniform(1200.0, 2400.0)
        # Two pumps of one make are not the same.
        self._scale = character.uniform(0.95, 1.05, len(self.sensors))
        self._white = lru_cache(maxsize=4)(self._white_chunk)
        self.healthy = lru_cache(maxsize=4)(self._healthy_chunk)

    def chunk(self, number: int, faults: Sequence[Planted]) -> Float64:
        """Values of the chunk's steps, one row a sensor; NaN where a sensor says nothing."""
        values = self.healthy(number).copy()
        begin = number * CHUNK
        for fault in faults:
            first, last = max(fault.first, begin), min(fault.last, begin + CHUNK - 1)
            if first <= last:
                row = list(self.sensors).index(fault.channel)
                part = values[row, first - begin : last - begin + 1]
                part[:] = self._faulty(fault, part, np.arange(first, last + 1))
        for row, sensor in enumerate(self.sensors.values()):
            values[row] = np.round(values[row], sensor.digits)
        return values

    def faults(self, window: int, begin: int, length: int) -> Iterator[Planted]:
        """What is planted in one window of steps."""
        random = self._random(_FAULT, window)
        kinds = [kind for kind in FAULTS if kind != "valve stuck" or self._valve()]
        kind = kinds[(window + self._number) % len(kinds)]
        first = begin + int(length * random.uniform(0.2, 0.6))
        last = first + max(int(length * FAULTS[kind]), 5) - 1
        for channel in self._concerned(kind):
            yield Planted(self.asset, channel, kind, first, last)

    def _valve(self) -> list[str]:
        return [name for name in ("flow", "pressure") if name in self.sensors]

    def _concerned(self, kind: str) -> list[str]:
        channels = {
            "bearing wear": ["vibration", "temperature"],
            "valve stuck": self._valve(),
            "sensor stuck": ["temperature"],
            "drift": ["temperature"],
            "spikes": ["vibration"],
            "dropout": ["current"],
        }
        return channels[kind]

    def _faulty(self, fault: Planted, healthy: Float64, steps: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Float64:
        sensor = self.sensors[fault.channel]
        done = (steps - fault.first + 1) / (fault.last - fault.first + 1)
        if fault.kind == "bearing wear":
            gain = 1.5 * sensor.base if fault.channel == "vibration" else 9.0
            return healthy + gain * done**2
        if fault.kind == "valve stuck":
            return healthy * (0.4 if fault.channel == "flow" else 1.35)
        if fault.kind == "sensor stuck":
            number, step = divmod(fault.first, CHUNK)
            stuck = self.healthy(number)[list(self.sensors).index(fault.channel), step]
            return np.full(len(healthy), stuck)
        if fault.kind == "drift":
            return healthy + 0.25 * sensor.base * done
        if fault.kind == "spikes":
            random = self._random(_FAULT, fault.first, fault.last)
            heights = random.uniform(8, 14, fault.last - fault.first + 1) * sensor.noise
            heights *= random.uniform(0, 1, len(heights)) < 0.08
            heights[0] = 12 * sensor.noise
            return healthy + heights[steps - fault.first] * 3
        return np.full(len(healthy), np.nan)

    def _healthy_chunk(self, number: int) -> Float64:
        seconds = np.arange(number * CHUNK, (number + 1) * CHUNK) * self._interval
        day = np.sin(2 * np.pi * seconds / DAY_S + self._day_phase)
        load = 0.5 + 0.5 * np.tanh(3 * np.sin(2 * np.pi * seconds / self._load_period + self._load_phase))
        noise = self._noise(number)
        rows = [
            sensor.base * scale + sensor.daily * day + sensor.load * load + sensor.noise * noise[row]
            for row, (sensor, scale) in enumerate(zip(self.sensors.values(), self._scale, strict=True))
        ]
        return np.array(rows)

    def _noise(self, number: int) -> Float64:
        """Autoregressive noise of standard deviation 1: each shock fades over the next steps."""
        before = self._white(number - 1) if number else np.zeros((len(self.sensors), CHUNK))
        shocks = np.concatenate([before, self._white(number)], axis=1)
        out = np.zeros((len(self.sensors), CHUNK))
        # A sum in fixed order: the same bits wherever it is computed.
        for lag in range(_MEMORY):
            out += _DECAY**lag * shocks[:, CHUNK - lag : 2 * CHUNK - lag]
        return out * float(np.sqrt(1 - _DECAY**2))

    def _white_chunk(self, number: int) -> Float64:
        return self._random(_WHITE, number).standard_normal((len(self.sensors), CHUNK))

    def _random(self, *purpose: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, self._number, *purpose])


def machines(kinds: Sequence[str], seed: int, interval_s: float) -> list[Machine]:
    """The machines of a plant, named ``sim-pump-1``, ``sim-pump-2``, ..."""
    count: dict[str, int] = {}
    out = []
    for number, kind in enumerate(kinds):
        count[kind] = count.get(kind, 0) + 1
        out.append(Machine(kind, f"sim-{kind}-{count[kind]}", number, seed, interval_s))
    return out
