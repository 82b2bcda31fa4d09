"""What of a series is asked for."""

from dataclasses import dataclass

from contracts.errors import NotFound
from contracts.identity import is_name
from contracts.instants import EARLIEST, LATEST, SECOND, from_iso

#: What is shown where nobody says a range.
USUAL = 3_600 * SECOND
#: 64 bits of nanoseconds cannot say how far apart its own ends are.
LONGEST = 250 * 365 * 86_400 * SECOND
POINTS, MOST_POINTS = 1_000, 10_000
METHODS = ("min-max", "lttb")
#: Instead of an instant: from the first reading of the series on.
BEGIN = "begin"


@dataclass(frozen=True)
class Asked:
    """A series, and how it is wanted.

    since, until  event time, ns, both included; None: ``length`` before the end, and up to the latest reading
    length        ns
    begin         from the first reading of the series on, whatever ``since`` says
    points        at most so many
    score         with the scores, where they are kept
    """

    asset: str
    channel: str
    since: int | None = None
    until: int | None = None
    length: int = USUAL
    begin: bool = False
    points: int = POINTS
    method: str = "min-max"
    score: bool = False

    def __post_init__(self) -> None:
        if not (is_name(self.asset) and is_name(self.channel)):
            raise NotFound(f"{self.asset}/{self.channel} cannot be the name of a series")
        if not 2 <= self.points <= MOST_POINTS:
            raise ValueError(f"points: from 2 to {MOST_POINTS:,}")
        if self.method not in METHODS:
            raise ValueError(f"method: {' or '.join(METHODS)}")
        if not 0 < self.length <= LONGEST:
            raise ValueError("last: more than 0 seconds, at most 250 years")
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError("from is later than to")

    @property
    def name(self) -> str:
        """``asset/channel``."""
        return f"{self.asset}/{self.channel}"


def instant(text: str) -> int | None:
    """An instant of a query; None where there is none. Raises ValueError."""
    return min(max(from_iso(text), EARLIEST + 1), LATEST - 1) if text else None
