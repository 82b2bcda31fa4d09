"""What users know of their sensors: rules by name pattern."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_LONGEST_S = 3650 * 86_400
_WILD = frozenset("*?[")


class Rule(BaseModel):
    """What holds for the series whose names match ``asset/channel``; of several rules, the first that says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: str = Field(description="asset/channel; *, ? and [abc] as in file names: pump-*/temperature")
    min: float | None = Field(default=None, allow_inf_nan=False, description="least possible value")
    max: float | None = Field(default=None, allow_inf_nan=False, description="greatest possible value")
    max_per_s: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="fastest possible change")
    stuck_after: int | None = Field(default=None, ge=2, description="so many equal values in a row are suspicious")
    stuck_after_s: float | None = Field(default=None, gt=0, le=_LONGEST_S, description="the same, by time")
    stuck: Literal["report", "reject", "ignore"] | None = Field(
        default=None, description="what is done with a stuck series; a set-point may be constant: ignore"
    )
    expected_interval_s: float | None = Field(
        default=None, gt=0, le=_LONGEST_S, description="time between readings; learned where not given"
    )
    gap_factor: float | None = Field(default=None, gt=1, le=1000, description="see the agent's own setting")
    freshness_s: float | None = Field(default=None, gt=0, le=_LONGEST_S, description="see the agent's own setting")
    unit: str = Field(default="", max_length=32, description="shown beside values")

    @model_validator(mode="after")
    def _possible(self) -> "Rule":
        asset, slash, channel = self.match.partition("/")
        if not (asset and slash and channel) or "/" in channel:
            raise ValueError(f"match {self.match!r} must be asset/channel, for example pump-*/temperature")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"{self.match}: min {self.min:g} is above max {self.max:g}: no value could pass")
        if self.stuck == "reject" and self.stuck_after is None and self.stuck_after_s is None:
            raise ValueError(f"{self.match}: stuck: reject needs stuck_after or stuck_after_s")
        return self

    def fits(self, asset: str, channel: str) -> bool:
        """Whether the rule is about this series."""
        pattern, _, rest = self.match.partition("/")
        return fnmatchcase(asset, pattern) and fnmatchcase(channel, rest)

    def stated(self) -> set[str]:
        """The fields that the rule says something about."""
        return {name for name in self.model_fields_set - {"match"} if getattr(self, name) is not None}


def contradictions(rules: Sequence[Rule]) -> Iterator[str]:
    """What is certainly wrong with the rules taken together."""
    for (i, first), (j, second) in combinations(enumerate(rules, 1), 2):
        if _covers(first.match, second.match):
            for field in sorted(first.stated() & second.stated()):
                yield (
                    f"rule {j} ({second.match}) sets {field}, but rule {i} ({first.match}) comes first and matches "
                    "all of its series: put the special rule before the general one"
                )
        if _covers(first.match, second.match) or _covers(second.match, first.match):
            low = first.min if first.min is not None else second.min
            high = first.max if first.max is not None else second.max
            own = {(first.min, first.max), (second.min, second.max)}
            if low is not None and high is not None and low > high and (low, high) not in own:
                yield (
                    f"rules {i} ({first.match}) and {j} ({second.match}) together allow no value: "
                    f"min {low:g} is above max {high:g}"
                )


def _covers(general: str, special: str) -> bool:
    """Whether every name that ``special`` matches is certainly matched by ``general`` too."""
    pairs = zip(general.split("/"), special.split("/"), strict=True)
    return all(
        wide in ("*", narrow) or (_WILD.isdisjoint(narrow) and fnmatchcase(narrow, wide)) for wide, narrow in pairs
    )
