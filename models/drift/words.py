"""The words of drift: what can have happened to a series, and how a finding is told."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """Distinct series: their ``number`` (int64[k]), and ``at``, the same as an index into arrays.

    Neighbours are indexed by a slice, which spares a copy of their arrays.
    """

    number: I64
    at: I64 | slice

    @classmethod
    def of(cls, number: I64) -> "Rows":
        """The rows of these numbers, which are distinct."""
        first, last = int(number[0]), int(number[-1])
        if last - first + 1 == len(number) and bool((number[1:] > number[:-1]).all()):
            return cls(number, slice(first, last + 1))
        return cls(number, number)

    def __len__(self) -> int:
        return len(self.number)


# Real changes of the process, as far as its readings tell.
DRIFTS = ("mean", "spread", "tail", "shape", "dependence", "ramp")
# Faults of the sensor or of its wiring; they are named as such and never called drift.
FAULTS = ("stuck", "missing", "unit", "jump", "clipping")
KINDS = DRIFTS + FAULTS


@dataclass(frozen=True)
class Alarms:
    """What one update found; one entry per alarm, in the order of the readings.

    ``at`` is the index within the readings that were handed in, ``began`` the number of the series' reading
    (its first is 0) that the change is estimated to start with.  ``effect`` lies in [``low``, ``high``]
    with about 95 % confidence; ``unit`` says what it measures:

    ==========  =================================================================
    sd          shift, in standard deviations of the reference's raw values
    sd/sample   slope of a ramp
    ratio       spread now / spread of the reference
    share       share of readings that fall where 1 % of the reference did, or
                of readings that are missing, repeated or at a limit
    distance    largest difference of the distribution functions (shape)
    rho         correlation of neighbouring residuals (0 in the reference)
    factor      new unit / old unit (offset not told)
    ==========  =================================================================

    ``evidence`` is the Shiryaev-Roberts statistic over its threshold, at least 1.
    """

    at: I64
    row: I64
    kind: list[str]
    direction: I64
    effect: F64
    low: F64
    high: F64
    unit: list[str]
    began: I64
    evidence: F64
    reference: list[str]

    def __len__(self) -> int:
        return len(self.kind)

    def __bool__(self) -> bool:
        return len(self.kind) > 0

    def entry(self, i: int) -> dict[str, Any]:
        """Alarm ``i`` as plain values, for an event."""
        return {
            "row": int(self.row[i]),
            "kind": self.kind[i],
            "direction": int(self.direction[i]),
            "effect": float(self.effect[i]),
            "low": float(self.low[i]),
            "high": float(self.high[i]),
            "unit": self.unit[i],
            "began": int(self.began[i]),
            "evidence": float(self.evidence[i]),
            "reference": self.reference[i],
        }


@dataclass(frozen=True)
class Finding:
    """One alarm before it is put among others; fields as in ``Alarms``."""

    at: int
    row: int
    kind: str
    direction: int
    effect: float
    low: float
    high: float
    unit: str
    began: int
    evidence: float
    reference: str


def collect(findings: list[Finding]) -> Alarms:
    """Findings as columns, ordered by reading, then by series."""
    order = sorted(findings, key=lambda f: (f.at, f.row))
    return Alarms(
        at=np.array([f.at for f in order], np.int64),
        row=np.array([f.row for f in order], np.int64),
        kind=[f.kind for f in order],
        direction=np.array([f.direction for f in order], np.int64),
        effect=np.array([f.effect for f in order], np.float64),
        low=np.array([f.low for f in order], np.float64),
        high=np.array([f.high for f in order], np.float64),
        unit=[f.unit for f in order],
        began=np.array([f.began for f in order], np.int64),
        evidence=np.array([f.evidence for f in order], np.float64),
        reference=[f.reference for f in order],
    )
