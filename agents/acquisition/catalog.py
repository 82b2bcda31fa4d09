"""Which series a source has told of, and the limit on how many it may."""

import time
from collections.abc import Callable, Hashable

import structlog

ANNOUNCE_S = 60.0

log = structlog.get_logger(__name__)


class Catalog:
    """Admits keys (an asset, or an asset and a channel) until their series reach the limit.

    The first ones are admitted, in the order of the input, and stay so: a key that was refused once is refused for
    good. So the outcome does not depend on how the input was cut. Only admitted keys are remembered.
    """

    def __init__(self, limit: int, series_per_key: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.keys: dict[Hashable, None] = {}
        self.refused = 0
        self._each = series_per_key
        self._clock = clock
        self._next = float("-inf")

    def admits(self, key: Hashable) -> bool:
        """Whether the series of this key may be read."""
        if key in self.keys:
            return True
        if (len(self.keys) + 1) * self._each > self.limit:
            return False
        self.keys[key] = None
        return True

    def refuse(self, source: str, count: int) -> None:
        """Count readings that were refused, and say so at most once a minute."""
        self.refused += count
        now = self._clock()
        if count and now >= self._next:
            self._next = now + ANNOUNCE_S
            log.warning(
                "too many series",
                source=source,
                limit=self.limit,
                refused=self.refused,
                mend="raise max_series, or look for names that change with every reading",
            )
