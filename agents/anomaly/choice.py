"""Which series get a detector of their own: by patterns of asset and channel."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from pydantic import BaseModel, Field

#: A model of the registry and one of its aliases.
MODEL = r"^$|^[^@/\s]{1,200}@[A-Za-z][\w-]{0,63}$"


class Choice(BaseModel, frozen=True, extra="forbid"):
    """The detector of all series that match, as far as no choice before it matches them."""

    asset: str = Field(default="*", min_length=1, description="pattern of the asset's name, as pump-*")
    channel: str = Field(default="*", min_length=1, description="pattern of the channel's name")
    detector: str = Field(default="records", description="kind, where no bundle is named")
    parameters: dict[str, Any] = Field(default_factory=dict, description="of the detector, where no bundle is named")
    model: str = Field(default="", pattern=MODEL, description="NAME@ALIAS of the model to serve")
    bundle_digest: str = Field(default="", description="digest of the model bundle to serve")
    threshold: float | None = Field(default=None, ge=0, le=1, description="empty: the detector's own")

    def fits(self, asset: str, channel: str) -> bool:
        """Whether it is about this series."""
        return fnmatchcase(asset, self.asset) and fnmatchcase(channel, self.channel)


def chosen(choices: Mapping[str, Choice], asset: str, channel: str) -> str:
    """The name of the first choice that fits a series; empty when none does."""
    return next((name for name, choice in choices.items() if choice.fits(asset, channel)), "")
