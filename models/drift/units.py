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
_OFFSETS = 5.5  # log of how many sd wide the offsets are that a sensor may jump by


def convert(far: F64, mean: float, sd: float) -> float | None:
    """Factor of the unit that best explains readings ``far`` (float64[m]); None when an offset explains
    them better.

    Bayes' rule with a normal law for the reference: a unit has no free parameter, an offset has one.
    """
    m = len(far)
    centred = (far - far.mean()) / sd
    offset = -0.5 * float((centred * centred).sum()) - _OFFSETS - 0.5 * np.log(m)
    best, found = offset, None
    for factor, shift in UNITS.values():
        back = ((far - shift) / factor - mean) / sd
        score = -0.5 * float((back * back).sum()) - m * np.log(abs(factor)) - np.log(len(UNITS))
        if score > best:
            best, found = score, factor
    return found
