"""Which events somebody asked for: a range of event time, and perhaps one asset or one series."""

from dataclasses import dataclass, replace

import numpy as np

from bus.window import within
from contracts.events import AnyEvent, ReadingsEvent
from contracts.instants import EARLIEST, LATEST


@dataclass(frozen=True)
class Scope:
    """From ``since`` to ``until`` (event time, ns, both included); an empty name means all."""

    since: int = EARLIEST
    until: int = LATEST
    asset: str = ""
    channel: str = ""

    def of_series(self, name: str) -> "Scope":
        """The same time, for ASSET or ASSET/CHANNEL only."""
        asset, _, channel = name.partition("/")
        return replace(self, asset=asset, channel=channel)

    def part(self, event: AnyEvent) -> AnyEvent | None:
        """What of the event is asked for; None for nothing."""
        rows = within(event, self.since, self.until)
        if isinstance(event, ReadingsEvent):
            return _rows_of(event, rows & self._of_series(event))
        named = self.asset in ("", event.asset) and self.channel in ("", event.channel)
        return event if named and rows[0] else None

    def _of_series(self, event: ReadingsEvent) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        chosen = [self.asset in ("", s.asset) and self.channel in ("", s.channel) for s in event.readings.series]
        return np.array(chosen, bool)[event.readings.code]


def _rows_of(event: ReadingsEvent, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> ReadingsEvent | None:
    if rows.all():
        return event
    return type(event)(event.readings.take(np.flatnonzero(rows))) if rows.any() else None
