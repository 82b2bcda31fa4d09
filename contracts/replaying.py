"""What replays may use that are asked for over HTTP."""

from pydantic import Field

from .sections import Section


class ReplaySettings(Section):
    """Limits of a replay in a process of its own, and how many results are kept."""

    limit_s: float = Field(default=3_600.0, gt=0, description="a replay that takes longer is ended, and has failed")
    memory_mb: int | None = Field(default=2_048, ge=256, description="data that it may allocate (RLIMIT_DATA)")
    nice: int = Field(default=10, ge=0, le=19, description="how far it steps back behind the pipeline")
    waiting: int = Field(default=4, ge=0, le=100, description="so many wait for the one that runs; one more gets 503")
    differences: int = Field(default=20_000, ge=1, le=1_000_000, description="kept of one replay; all are counted")
    keep: int = Field(default=50, ge=1, le=1_000, description="replays of which the results are kept, the last ones")
    keep_mb: float = Field(default=500.0, gt=0, description="what all results together may take on disk")
