"""What of many looks is told: each change once, and nothing that comes and goes."""

from dataclasses import dataclass, field

from .finding import Health

#: A change is told when so many looks in a row see it.
_TIMES = 2
#: At most so many looks without a finding until the end of one is told, however often it came back.
_MOST = 32
#: Checks that are made seldom are believed at once.
_SELDOM = frozenset({"artifact-growth", "served-models"})


@dataclass
class Telling:
    """Decides what is news. ``told`` is the state of each check as it was told last."""

    told: dict[str, str]
    _seen: dict[str, tuple[str, int]] = field(default_factory=dict)
    _calm: dict[str, int] = field(default_factory=dict)

    def is_news(self, health: Health) -> bool:
        """Whether this look is to be told of; nothing is of what is well and always was."""
        if health.state == "skipped":
            return False
        check, before = health.check, self.told.get(health.check, "ok")
        state, times = self._seen.get(check, ("", 0))
        times = times + 1 if state == health.state else 1
        self._seen[check] = (health.state, times)
        if before == health.state:
            # What was well for long may end as soon as ever the next time.
            if before == "ok" and times > 2 * _MOST:
                self._calm.pop(check, None)
            return False
        if times < self._wanted(health):
            return False
        if before == "ok":
            # It comes back: the next time its end has to last twice as long.
            self._calm[check] = min(_MOST, 2 * self._calm[check]) if check in self._calm else _TIMES
        self.told[check] = health.state
        return True

    def _wanted(self, health: Health) -> int:
        if health.check in _SELDOM:
            return 1
        return self._calm.get(health.check, _TIMES) if health.state == "ok" else _TIMES
