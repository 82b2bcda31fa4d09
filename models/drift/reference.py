"""What a series looked like when its model was trained: all that a drift test needs to know of it."""

import hashlib
import json
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .words import F64, I64

SCHEMA = 1
DAY_NS = 86_400_000_000_000
CURVE = 288  # points per day of the seasonal curves, read with linear interpolation
LAGS = 16
EDGES = 8  # steps at fixed times of day at most
STATES = 3
_SETTLED = 1000


@dataclass(frozen=True)
class Reference:
    """Frozen description of a clean stretch of one series; plain arrays and numbers, fit for a bundle.

    n                 readings that were used
    samples_per_day   cadence; 0 when unknown (then there is no season)
    mean, sd          of the raw values, in the sensor's unit
    lo, hi            smallest and largest raw value
    centre            float64[3]: 1 %, 50 % and 99 % quantile of the raw values
    edge_lo, edge_hi  standardised residual beyond which nothing near was ever seen
    push              float64[2]: 10 % and 90 % quantile of the standardised residuals
    cuts, levels, scales  float64[STATES-1], [STATES], [STATES]: operating states by value, level, spread
    states            how many operating states there are
    season, swing     float64[CURVE] by time of day: added to the prediction / dividing the residual
    steps             float64[2, EDGES]: steps of the level with the time of day, see schedule.py; part of the day that
                      each begins with, and by how much; taken off before anything else is predicted
    lags              float64[LAGS]: autoregression on the level-free value
    volatility        float64[4]: w, a, b of h' = w + a min(e^2, cap h) + b h, and cap;
                      1, 0, 0 when constant
    reach             shift of the innovations, in their sd, for a shift of one sd of the raw value
    shape             index in bets.SHAPES of the law whose bets suit the residuals
    trust             float64[5]: factor for the weight of each family of bets, see trust.py
    knots, below, first    the residuals' order statistics; see knots.Knots
    missing           float64[2]: chance that a reading is missing, after a present and after a missing one
    repeat            chance that a reading equals one of the last 8
    stuck             so many equal readings in a row mean that the sensor is stuck
    """

    n: int
    samples_per_day: float
    mean: float
    sd: float
    lo: float
    hi: float
    centre: F64
    edge_lo: float
    edge_hi: float
    push: F64
    states: int
    cuts: F64
    levels: F64
    scales: F64
    season: F64
    swing: F64
    lags: F64
    volatility: F64
    reach: float
    shape: int
    trust: F64
    knots: F64
    below: I64
    first: I64
    missing: F64
    repeat: float
    stuck: int
    steps: F64 = field(default_factory=lambda: np.zeros((2, EDGES)))

    @property
    def seasonal(self) -> bool:
        """Whether the level goes with the time of day."""
        return bool(self.season.any() or self.steps.any())

    @property
    def settled(self) -> bool:
        """Whether the level is known as well as from a thousand independent readings, season or none apart."""
        persistence = min(max(float(self.lags.sum()), 0.0), 0.999)
        return not self.seasonal and self.n * (1 - persistence) / (1 + persistence) >= _SETTLED

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The array fields by name; without ``steps`` where there are none, as before they were known."""
        found = {f.name: v for f in fields(self) if isinstance(v := getattr(self, f.name), np.ndarray)}
        if not self.steps.any():
            del found["steps"]
        return found

    def numbers(self) -> dict[str, int | float]:
        """The other fields by name, with the schema version; plain JSON."""
        plain = {f.name: v for f in fields(self) if not isinstance(v := getattr(self, f.name), np.ndarray)}
        return {"schema": SCHEMA, **plain}

    @classmethod
    def of(cls, numbers: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "Reference":
        """The reference that ``numbers()`` and ``arrays()`` were taken from.

        Raises ValueError on another schema version, or when fields are missing or of another type or length.
        """
        if numbers.get("schema") != SCHEMA:
            raise ValueError(f"drift reference has schema {numbers.get('schema')!r}, expected {SCHEMA}")
        given = {k: v for k, v in numbers.items() if k != "schema"} | dict(arrays)
        names = {f.name for f in fields(cls)}
        if set(given) | {"steps"} != names:
            raise ValueError(f"drift reference has the wrong fields: {sorted((set(given) | {'steps'}) ^ names)}")
        reference = cls(**given)
        reference.verify()
        return reference

    def verify(self) -> None:
        """Raise ValueError unless every array has its type and length and all parts fit each other."""
        from .bets import FAMILY_NAMES
        from .knots import CLASSES, KNOTS

        sizes = {
            "centre": 3,
            "push": 2,
            "cuts": STATES - 1,
            "levels": STATES,
            "scales": STATES,
            "season": CURVE,
            "swing": CURVE,
        }
        sizes |= {
            "trust": len(FAMILY_NAMES),
            "lags": LAGS,
            "volatility": 4,
            "knots": KNOTS + 1,
            "below": CLASSES + 2,
            "missing": 2,
        }
        for name, size in sizes.items():
            array = getattr(self, name)
            wanted = np.int64 if name == "below" else np.float64
            if array.shape != (size,) or array.dtype != wanted:
                raise ValueError(f"drift reference: {name} is {array.dtype}{array.shape}, expected [{size}]")
        if self.steps.shape != (2, EDGES) or self.steps.dtype != np.float64:
            raise ValueError(f"drift reference: steps is {self.steps.dtype}{self.steps.shape}, expected [2, {EDGES}]")
        if self.first.shape != (self.states + 1,) or not 1 <= self.states <= STATES:
            raise ValueError(f"drift reference: {self.states} states with {self.first.shape} bounds")
        if np.isnan(self.knots).any() or (np.diff(self.below) < 0).any():
            raise ValueError("drift reference: knots are not in order")

    def digest(self) -> str:
        """BLAKE2b (hex, 128 bits) over every field; names the reference in events."""
        h = hashlib.blake2b(digest_size=16)
        h.update(json.dumps(self.numbers(), sort_keys=True).encode())
        for name, array in sorted(self.arrays().items()):
            h.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
            h.update(np.ascontiguousarray(array).tobytes())
        return h.hexdigest()
