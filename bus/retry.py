"""How long to wait before the next try: doubling, with jitter, up to a limit."""

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Pauses of one thing that fails again and again; ``reset`` after a success."""

    first_s: float = 0.5
    most_s: float = 30.0
    failures: int = field(default=0, init=False)

    def pause(self) -> float:
        """Seconds to wait now. Full jitter: many that fail together must not come back together."""
        longest = min(self.most_s, self.first_s * 2 ** min(self.failures, 30))
        self.failures += 1
        return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, hides nothing

    def reset(self) -> None:
        """Begin again with short pauses."""
        self.failures = 0
