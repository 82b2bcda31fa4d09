"""A stretch of time that ends at a reading."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.instants import SECOND

Fill = Literal["nan", "zero", "hold"]


class Window(BaseModel):
    """The last ``length_s`` seconds before and at a reading at T, and what a feature is where they hold too little.

    ``right``: (T - length, T]. ``left``: [T - length, T). ``both``: [T - length, T]. ``neither``: (T - length, T).
    Where T belongs to it, so do the reading itself and those of the same time that were released before it.

    >>> Window(length_s=3600, closed="left").length
    3600000000000
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    length_s: float = Field(gt=0, le=1e8, description="seconds, to the nanosecond")
    closed: Literal["right", "left", "both", "neither"] = Field(default="right", description="ends that belong to it")
    min_count: int = Field(default=1, ge=1, description="readings below which a feature is absent, but counts are not")
    fill: Fill = Field(default="nan", description="instead of an absent feature: NaN, 0, or its last value within ttl")

    @property
    def length(self) -> int:
        """Nanoseconds."""
        return round(self.length_s * SECOND)
