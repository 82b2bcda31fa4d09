"""From where on the health of data and models is worth a word."""

from pydantic import Field

from .sections import Section


class HealthSettings(Section):
    """What is looked at again and again; ``tocsin doctor`` looks at the same things with the same limits."""

    every_s: float = Field(default=60.0, gt=0, description="pause between two looks")
    runs_within_h: float = Field(default=48.0, gt=0, description="a plan that trains by itself has a run in this time")
    late_factor: float = Field(default=2.0, gt=1, description="trainings may be so many times as far apart as planned")
    slow_factor: float = Field(default=3.0, gt=1, description="the last training may take so many times the usual")
    floors: dict[str, float] = Field(default_factory=dict, description="metric of trainings -> least value")
    decline_runs: int = Field(default=4, ge=3, le=100, description="trainings in a row, each worse than before")
    decline_share: float = Field(default=0.02, gt=0, lt=1, description="a decline is at least so large in all")
    gap_h: float = Field(default=6.0, gt=0, description="longest time without a reading of a source")
    fewer_share: float = Field(default=0.5, gt=0, lt=1, description="least share of a source's usual readings in a day")
    latency_s: float = Field(default=60.0, gt=0, description="a reading is scored within that time of being accepted")
    growth_gb: float = Field(default=10.0, gt=0, description="most that the artifacts may grow in a month")
