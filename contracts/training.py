"""Training plans: what is trained on which past, and what asks for it."""

from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from .identity import is_name
from .instants import SECOND
from .sections import Section

_HOUR, _DAY = 3_600 * SECOND, 86_400 * SECOND


class Family(Section):
    """One kind of detector with its parameters."""

    kind: str = Field(min_length=1)
    parameters: dict[str, Any] = Field(default_factory=dict)


def _spelled_out(family: Any) -> Any:
    return {"kind": family} if isinstance(family, str) else family


class TrainingPlan(Section):
    """What ``tocsin train NAME`` does; the trainer does the same by itself where that is asked for.

    The range is cut by event time into three parts that follow each other: detectors are fitted on the first, their
    scores calibrated on the second, and all of them compared on the third.
    """

    series: str = Field(default="*/*", description="pattern of ASSET/CHANNEL, as pump-*/temperature")
    features: dict[str, Any] = Field(default_factory=lambda: {"kind": "identity"}, description="feature set")
    detectors: tuple[Annotated[Family, BeforeValidator(_spelled_out)], ...] = Field(
        default=(Family(kind="records"), Family(kind="ewma")), min_length=1, max_length=16, description="to compare"
    )
    range_days: float = Field(default=14.0, gt=0, description="event time, back from the request")
    fit_share: float = Field(default=0.6, gt=0, lt=1, description="of the range, by event time")
    calibrate_share: float = Field(default=0.2, gt=0, lt=1, description="of the range, after the part that is fitted")
    alarms: float = Field(default=10.0, gt=0, le=1_000, description="per 10,000 readings that a threshold aims at")
    seed: int = Field(default=1, ge=0, lt=2**63, description="of samples and of planted faults")
    sample: int = Field(default=100_000, ge=100, le=5_000_000, description="most readings that detectors are fitted on")
    probed: int = Field(default=32, ge=1, le=1_000, description="most series in which faults are planted")
    warm: int = Field(default=2_000, ge=0, le=50_000, description="most series whose state goes into the bundle")
    alias: str = Field(default="candidate", pattern=r"^[A-Za-z][\w-]{0,63}$", description="that a new version gets")
    every_h: float | None = Field(default=None, gt=0, description="train by itself so often, by event time")
    on_drift: Literal["never", "propose", "automatic"] = Field(
        default="never", description="propose: a request that waits for somebody; automatic: train"
    )
    drift_wait_h: float = Field(default=24.0, ge=0, description="event time after a drift until its range ends")

    @field_validator("series")
    @classmethod
    def _two_parts(cls, series: str) -> str:
        if series.count("/") != 1 or not all(series.split("/")):
            raise ValueError("must be a pattern of ASSET/CHANNEL, as pump-*/temperature")
        return series

    @model_validator(mode="after")
    def _parts(self) -> Self:
        if self.fit_share + self.calibrate_share >= 1:
            raise ValueError("fit_share and calibrate_share leave nothing to compare on")
        return self

    def covers(self, asset: str, channel: str) -> bool:
        """Whether a series is meant."""
        of_asset, _, of_channel = self.series.partition("/")
        return fnmatchcase(asset, of_asset) and fnmatchcase(channel, of_channel)

    @property
    def range_ns(self) -> int:
        """How far back a training reads, in ns."""
        return int(self.range_days * _DAY)

    @property
    def every_ns(self) -> int:
        """How often it trains by itself, in ns; 0: never."""
        return int((self.every_h or 0) * _HOUR)

    @property
    def drift_wait_ns(self) -> int:
        """How long after a drift its range ends, in ns."""
        return int(self.drift_wait_h * _HOUR)


class TrainingSettings(Section):
    """What is trained, by name, and what a training that runs by itself may use of its machine."""

    plans: dict[str, TrainingPlan] = Field(default_factory=dict)
    limit_s: float = Field(default=3_600.0, gt=0, description="a training that takes longer is ended, and has failed")
    memory_mb: int | None = Field(default=2_048, ge=512, description="data that it may allocate (RLIMIT_DATA)")
    nice: int = Field(default=10, ge=0, le=19, description="how far it steps back behind the pipeline")

    @field_validator("plans")
    @classmethod
    def _names(cls, plans: dict[str, TrainingPlan]) -> dict[str, TrainingPlan]:
        if bad := [name for name in plans if not is_name(name) or set(name) & set(":<, '\"\\`")]:
            raise ValueError(f"names of plans must be plain words: {', '.join(map(repr, bad))}")
        return plans
