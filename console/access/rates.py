"""How often somebody may ask: token buckets, one for each."""

from collections import OrderedDict
from collections.abc import Callable

_MOST = 10_000


class Rates:
    """``most`` at once, and then ``per_s`` each second; those who have not asked for longest are forgotten first."""

    def __init__(self, most: float, per_s: float, now: Callable[[], float]) -> None:
        self._most, self._per_s, self._now = most, per_s, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> float:
        """Seconds until this one may ask again; 0: now, and then it counts."""
        now = self._now()
        left, since = self._left.pop(who, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_s)
        fits = left >= 1
        self._left[who] = (left - fits, now)
        while len(self._left) > _MOST:
            self._left.popitem(last=False)
        return 0.0 if fits else (1 - left) / self._per_s
