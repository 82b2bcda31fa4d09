"""A simulated test rig: what an accelerometer on a bearing's housing says, with and without a fault.

The model is that of McFadden & Smith 1984 and of Antoni 2007 ("Cyclic spectral analysis of rolling-element bearing
signals"): impacts whose intervals vary a little excite a resonance; on the inner race and on a ball their size follows
the load, as these turn. Beside them noise, harmonics of the shaft, and meshing gears with sidebands.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.signals import Bearing

RATE = 25_600.0
BEARING = Bearing(balls=9, ball_diameter=7.94, pitch_diameter=39.04)  # SKF 6205

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Recording:
    """Some windows of one machine.

    windows   float64[windows, samples]
    fault     `bpfo`, `bpfi`, `bsf`, or empty for a healthy bearing
    rate_hz   how often it strikes, slip included
    shaft_hz  speed of the shaft
    snr_db    power of the impacts over that of the noise
    """

    windows: Array
    fault: str
    rate_hz: float
    shaft_hz: float
    snr_db: float


@dataclass
class Rig:
    """Makes recordings; a seed gives the same ones."""

    seed: int
    samples: int = int(RATE)
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def healthy(self, windows: int) -> Recording:
        """Noise, shaft and gears."""
        shaft = self.rng.uniform(20, 40)
        total = windows * self.samples
        return Recording(self._machine(total, shaft).reshape(windows, -1), "", 0.0, shaft, -np.inf)

    def faulty(self, fault: str, windows: int, snr_db: tuple[float, float] = (-10, 0)) -> Recording:
        """The same with impacts at the rate of a fault, which slips by up to 1.5 %."""
        shaft = self.rng.uniform(20, 40)
        rate = BEARING.multiples[fault] * shaft * (1 - self.rng.uniform(0, 0.015))
        total = windows * self.samples
        snr = self.rng.uniform(*snr_db)
        signal = self._machine(total, shaft)
        impacts = self._impacts(fault, total, rate, shaft)
        # The noise has a power of 1.
        impacts *= np.sqrt(10 ** (snr / 10) / np.mean(impacts**2))
        return Recording((signal + impacts).reshape(windows, -1), fault, rate, shaft, snr)

    def _machine(self, total: int, shaft: float) -> Array:
        rng, t = self.rng, np.arange(total) / RATE
        out = _coloured(rng.normal(size=total), rng.uniform(-0.5, 0.5))
        for harmonic in range(1, 6):
            out += rng.uniform(0.2, 2) * np.cos(2 * np.pi * harmonic * shaft * t + rng.uniform(0, 6.3))
        teeth = int(rng.integers(20, 60))
        for mesh in range(1, 4):
            phase = 2 * np.pi * mesh * teeth * shaft * t + rng.uniform(0, 6.3)
            swing = 1 + rng.uniform(0, 0.5) * np.cos(2 * np.pi * shaft * t + rng.uniform(0, 6.3))
            out += rng.uniform(0.2, 1) * swing * np.cos(phase + rng.uniform(0, 0.5) * np.sin(2 * np.pi * shaft * t))
        return out

    def _impacts(self, fault: str, total: int, rate: float, shaft: float) -> Array:
        rng = self.rng
        jitter = rng.uniform(0.01, 0.02)
        number = int(total / RATE * rate * 1.2) + 20
        at = np.cumsum(rng.normal(1, jitter, number).clip(0.5)) / rate
        at = at[at < total / RATE - 1e-3]
        # Through the load zone: the inner race with the shaft, a ball with the cage.
        turns = {"bpfo": 0.0, "bpfi": shaft, "bsf": BEARING.multiples["ftf"] * shaft}[fault]
        depth = 0.0 if fault == "bpfo" else rng.uniform(0.3, 0.8)
        size = (1 + depth * np.cos(2 * np.pi * turns * at + rng.uniform(0, 6.3))) * rng.normal(1, 0.1, len(at))
        train = np.zeros(total)
        # Between two samples: the impact is shared, so that its time is not rounded.
        place = at * RATE
        whole = place.astype(int)
        np.add.at(train, whole, size * (1 - (place - whole)))
        np.add.at(train, whole + 1, size * (place - whole))
        return _rung(train, rng.uniform(2000, 8000), rng.uniform(0.02, 0.08))


def _coloured(noise: Array, tilt: float) -> Array:
    """Noise with a power of 1 that a first-order filter tilts to low or high frequencies."""
    from scipy.signal import lfilter

    out: Array = lfilter([np.sqrt(1 - tilt**2)], [1, -tilt], noise)
    return out


def _rung(train: Array, resonance: float, damping: float) -> Array:
    """Impacts as the housing passes them on: decaying oscillations of 2 pi f damping per second."""
    from scipy.signal import fftconvolve

    t = np.arange(int(0.02 * RATE)) / RATE
    ring = np.exp(-2 * np.pi * resonance * damping * t) * np.sin(2 * np.pi * resonance * t)
    out: Array = fftconvolve(train, ring)[: len(train)]
    return out
