"""Where a source goes on, and how it finds out that the log lost some of its readings.

The mark is in one partition, the readings in others; on a cluster these are on several servers, and each may lose
its own end in a failover. So the mark says how far each partition had come when it was written, and keeps some earlier
places to go on from: a source that can repeat goes back to one before the loss.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

#: With more partitions a mark would be larger than what it guards.
_MOST_PARTITIONS = 256
#: Earlier places that are kept; the older, the fewer.
_MOST_PAST = 12


@dataclass(frozen=True)
class Mark:
    """Where a source is, and where it was.

    ``most`` is the highest position given out, ``past`` such positions with place and number of readings then, oldest
    first. ``shift`` is added to the positions of a push source that counts anew.
    """

    resume: str | None = None
    readings: int = 0
    finished: bool = False
    most: int = -1
    shift: int = 0
    cursors: Mapping[int, int] = field(default_factory=dict)
    past: tuple[tuple[int, str, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Mark":
        """The mark in a text; of an empty one the mark before the beginning."""
        if not text:
            return cls()
        said = json.loads(text)
        return cls(
            said["resume"],
            int(said.get("readings", 0)),
            bool(said.get("finished")),
            int(said.get("most", -1)),
            int(said.get("shift", 0)),
            {int(number): cursor for number, cursor in said.get("cursors", {}).items()},
            tuple((most, place, readings) for most, place, readings in said.get("past", ())),
        )

    def text(self) -> str:
        """As it is stored."""
        said: dict[str, object] = {"resume": self.resume, "readings": str(self.readings), "most": self.most}
        if self.finished:
            said["finished"] = "1"
        if self.shift:
            said["shift"] = self.shift
        if self.past:
            said["past"] = self.past
        if len(self.cursors) <= _MOST_PARTITIONS:
            said["cursors"] = self.cursors
        return json.dumps(said)

    def moved(self, resume: str, readings: int, most: int, cursors: Mapping[int, int]) -> "Mark":
        """The next mark of a source that can repeat: this one is kept as a place to go back to."""
        past = self.past
        if self.resume is not None and (not past or past[-1][0] < self.most):
            past = (*past, (self.most, self.resume, self.readings))
        if len(past) > _MOST_PAST:
            half = _MOST_PAST // 2
            past = (*past[:half:2], *past[half:])
        return replace(self, resume=resume, readings=readings, most=most, cursors=dict(cursors), past=past)

    def lost(self, stored: Mapping[int, int]) -> dict[int, tuple[int, int]]:
        """Partition -> the first and last position that it may have lost, from the cursors that it has now."""
        return {
            number: (stored.get(number, -1) + 1, cursor)
            for number, cursor in self.cursors.items()
            if stored.get(number, -1) < cursor
        }

    def back(self, position: int) -> "Mark":
        """Going on from the last place after which everything from ``position`` on comes again."""
        kept = tuple(item for item in self.past if item[0] < position)
        most, resume, readings = kept[-1] if kept else (-1, None, 0)
        return replace(self, resume=resume, readings=readings, most=most, finished=False, past=kept[:-1])
