"""The rates at which faults of a rolling bearing strike, from its geometry."""

import math
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: What is worn, by the name of the rate at which it strikes.
PARTS = {"bpfo": "outer race", "bpfi": "inner race", "bsf": "rolling element", "ftf": "cage"}
FAULTS = tuple(PARTS)


def meaning(channel: str) -> str:
    """What a channel with evidence for a fault of a bearing is about, in words; empty for any other.

    >>> meaning("drive end bpfo")
    'evidence for a fault of the outer race of the bearing, in powers of ten'
    """
    part = PARTS.get(channel.rpartition(" ")[2])
    return f"evidence for a fault of the {part} of the bearing, in powers of ten" if part else ""


class Bearing(BaseModel):
    """A ball or roller bearing whose outer ring stands still.

    The rates hold without slip (McFadden & Smith 1984, "Model for the vibration produced by a single point defect in
    a rolling element bearing"; Randall & Antoni 2011, "Rolling element bearing diagnostics: a tutorial", eq. 1-4).
    Real ones are off by 1-2 %.

    >>> skf_6205 = Bearing(balls=9, ball_diameter=7.94, pitch_diameter=39.04)
    >>> {name: round(multiple, 3) for name, multiple in skf_6205.multiples.items()}
    {'bpfo': 3.585, 'bpfi': 5.415, 'bsf': 2.357, 'ftf': 0.398}
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    balls: int = Field(ge=3, le=200, description="rolling elements in a row")
    ball_diameter: float = Field(gt=0, allow_inf_nan=False, description="in any unit; that of pitch_diameter")
    pitch_diameter: float = Field(gt=0, allow_inf_nan=False, description="of the circle through the balls' centres")
    contact_angle: float = Field(default=0, ge=0, lt=90, description="in degrees; 0 for a deep groove bearing")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.balls * self.ball_diameter > math.pi * self.pitch_diameter:
            raise ValueError("so many balls of this diameter do not fit on the pitch circle")
        return self

    @property
    def multiples(self) -> dict[str, float]:
        """Fault -> its rate in multiples of the shaft's speed."""
        ratio = self.ball_diameter / self.pitch_diameter * math.cos(math.radians(self.contact_angle))
        return {
            "bpfo": self.balls / 2 * (1 - ratio),
            "bpfi": self.balls / 2 * (1 + ratio),
            "bsf": self.pitch_diameter / (2 * self.ball_diameter) * (1 - ratio**2),
            "ftf": (1 - ratio) / 2,
        }
