"""Units that sensors are confused in, and whether readings look like one of them."""

import numpy as np

from .words import F64

# Factor and offset: the new reading is the old one times the first plus the second.
UNITS: dict[str, tuple[float, float]] = {
    "Celsius to Fahrenheit": (1.8, 32.0),
    "Fahrenheit to Celsius": (1 / 1.8, -32 / 1.8),
    "Celsius to kelvin": (1.0, 273.15),
    "kelvin to Celsius": (1.0, -273.15),
    "x 10": (10.0, 0.0),
    "/ 10": (0.1, 0.0),
    "x 100": (100.0, 0.0),
    "/ 100": (0.01, 0.0),
    "x 1000": (1000.0, 0.0),
    "/ 1000": (0.001, 0.0),
    "x 60": (60.0, 0.0),
    "/ 60": (1 / 60, 0.0),
    "m/s to km/h": (3.6, 0.0),
    "km/h to m/s": (1 / 3.6, 0.0),
    "bar to psi": (14.5038, 0.0),
    "psi to bar": (1 / 14.5038, 0.0),
    "inch to mm": (25.4, 0.0),
    "mm to inch": (1 / 25.4, 0.0),
    "sign": (-1.0, 0.0),
}
# Odds of each beforehand: what loggers and installers get wrong most often, then the rest.
_DECIMAL = ("x 10", "/ 10", "x 100", "/ 100", "x 1000", "/ 1000")
_OFTEN = {"Celsius to Fahrenheit": 0.5} | dict.fromkeys(_DECIMAL, 0.065)
_SELDOM = (1 - sum(_OFTEN.values())) / (len(UNITS) - len(_OFTEN))
_OFFSETS = 10.0  # sd; half of all offsets are smaller


def convert(far: F64, mean: float, sd: float) -> tuple[float | None, float]:
    """Factor of the unit that best explains readings ``far`` (float64[m]), None where an offset explains them better;
    and the log of how likely the better one makes them, (2 pi)^(m / 2) times.

    Bayes' rule with a normal law for the reference: a unit has no free parameter, an offset has one, whose law is
    that of Cauchy (Jeffreys, 1961).
    """
    m, z = len(far), (far - mean) / sd
    centred, size = z - z.mean(), float(z.mean()) / _OFFSETS
    prior = float(np.log(np.pi * _OFFSETS * (1 + size * size)) + np.log(m / (2 * np.pi)) / 2)
    best, found = -0.5 * float((centred * centred).sum()) - prior, None
    for name, (factor, shift) in UNITS.items():
        back = ((far - shift) / factor - mean) / sd
        score = -0.5 * float((back * back).sum()) - m * np.log(abs(factor)) + np.log(_OFTEN.get(name, _SELDOM))
        if score > best:
            best, found = float(score), factor
    return found, best
