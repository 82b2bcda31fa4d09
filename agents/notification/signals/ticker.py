"""The time, for those who know of it from the stream alone."""

from collections.abc import Sequence

from pydantic import Field

from contracts.events import TimePassed

from ...parts import Chore, Log


class Ticker(Chore):
    """Puts the time among the signals, so that what waits for it happens at the same place in every replay."""

    every_s: float = Field(default=1.0, gt=0, description="how often time passes where nothing happens")

    async def tend(self, log: Log) -> Sequence[TimePassed]:
        """The time, once."""
        return [TimePassed.of(cause=f"clock:{log.now_ns}", time=log.now_ns, asset="clock")]
