"""What a multivariate detector says of each row while the pipeline runs: the log holds only what is reported."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Smaller shares of a channel are not shown.
LEAST_SHARE = 0.05


@dataclass(frozen=True)
class Row:
    """What was said of one row: its event time in ns, the score, and the channels' shares in it."""

    time: int
    score: float
    shares: dict[str, float]


class Watched:
    """A detector that is asked as before, and writes down its answers."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.said: list[tuple[float, dict[int, float]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def judge(self, state: Any, asset: int, members: Any, series: Any, values: Any) -> Any:
        """The detector's own answer."""
        said = self.model.judge(state, asset, members, series, values)
        pairs = zip(members.tolist(), said.shares.tolist(), strict=True)
        self.said.append((float(said.score), {number: share for number, share in pairs if share >= LEAST_SHARE}))
        return said

    def rows(self, times: Mapping[int, int], heard: Sequence[str]) -> list[Row]:
        """The answers with the times and channels that they are about.

        times: position -> event time of the accepted readings; heard: channels in the order of their numbers.
        """
        known = len(heard)
        return [
            Row(time, score, {heard[number]: share for number, share in shares.items() if number < known})
            for time, (score, shares) in zip(_rising(times), self.said, strict=False)
        ]


def _rising(times: Mapping[int, int]) -> Iterator[int]:
    """The times of rows in the order in which they are judged: what comes late belongs to no row."""
    last: int | None = None
    for position in sorted(times):
        if last is None or times[position] > last:
            last = times[position]
            yield last
