"""Names that the settings of several sources share; nothing heavy, for the configuration is read in every process."""

from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Fold = Literal["reject", "first", "second"]
TimeUnit = Literal["auto", "s", "ms", "us", "ns"]
#: Labels of benchmarks: whoever reads them as channels has trained on the answers.
IGNORED = ("anomaly", "changepoint", "label")


def known_zone(zone: str | None) -> str | None:
    """A zone that this machine knows; ValueError for any other."""
    if zone is not None and zone.upper() != "UTC":
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"no such time zone: {zone!r}") from error
    return zone
