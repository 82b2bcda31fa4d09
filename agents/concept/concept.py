"""The agent that the configuration names: one part for scores, one for labels."""

from collections.abc import Mapping

from pydantic import Field

from ..parts import Part
from .labels import LabelWatch
from .scores import ScoreWatch


class Concept(Part):
    """Watches models rather than machines. Scores are seen where agents of kind anomaly have ``measure``."""

    reference_stretches: int = Field(
        default=60, ge=50, le=5_000, description="a bundle's first stretches of 1,000 readings of a partition"
    )
    false_alarms_per_1000: float = Field(
        default=1.0, gt=0, le=100, description="in 1,000 stretches of a bundle in a partition, while nothing changes"
    )
    least_precision: float = Field(default=0.0, ge=0, lt=1, description="of labelled alerts; 0: none is asked for")
    false_word: float = Field(
        default=0.01, gt=0, lt=1, description="chance to say ever that precision fell while it did not"
    )

    def parts(self, name: str) -> Mapping[str, Part]:
        return {
            "scores": ScoreWatch(
                reference_stretches=self.reference_stretches, false_alarms_per_1000=self.false_alarms_per_1000
            ),
            "labels": LabelWatch(least_precision=self.least_precision, false_word=self.false_word),
        }
