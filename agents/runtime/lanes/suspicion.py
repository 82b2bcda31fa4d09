"""Finding the entry that ends every process that handles it, and burying it after three deaths.

A life that did not end in order leaves a mark on its tasks. Whoever comes next handles what that life may have been
at work on entry by entry, and notes each before it begins. An entry that was begun alone by two processes that both
died is not begun again. A process that lives on after a try, whatever else went wrong, proves that entry innocent.
"""

from dataclasses import dataclass

from bus.protocol import Entry, Former
from contracts.errors import TocsinError

from .burials import KILLED

#: Deaths with the entry alone, after the one that raised the suspicion.
DEATHS_ALONE = 2
#: A life reads at most so many entries before it commits.
_MOST_ENTRIES = 500


class Killed(TocsinError):
    """An entry ended the process that handled it."""

    def __init__(self) -> None:
        super().__init__(f"{KILLED} that handled it, {DEATHS_ALONE + 1} times")


@dataclass
class Suspicion:
    """What may be to blame: entries up to the ordinal ``until``, first of all the one that ends at ``accused``."""

    life: str
    until: int
    accused: int = 0
    deaths: int = 0
    entries: int = _MOST_ENTRIES

    @classmethod
    def of(cls, former: Former, life: str, position: int, end: int, most_events: int) -> "Suspicion | None":
        """What follows from how the life before ended; None when nothing is to be feared."""
        accused, deaths, by = _parsed(former.tried)
        if accused <= position or by == life:
            accused = deaths = 0
        if not deaths and former.life in ("", life):
            return None
        until = max(accused, min(end, position + most_events))
        return cls(life, until, accused, deaths) if until > position else None

    def over(self, position: int) -> bool:
        """Whether everything that may be to blame is done."""
        return position >= self.until or self.entries <= 0

    def guilty(self, entry: Entry) -> bool:
        """Whether an entry is not to be tried again."""
        return entry.last == self.accused and self.deaths >= DEATHS_ALONE

    def tried(self, entry: Entry) -> str:
        """The note before an entry is tried alone."""
        self.entries -= 1
        deaths = self.deaths if entry.last == self.accused else 0
        return f"{entry.last} {deaths + 1} {self.life}"


def _parsed(tried: str) -> tuple[int, int, str]:
    last, _, rest = tried.partition(" ")
    deaths, _, life = rest.partition(" ")
    return (int(last), int(deaths), life) if last and deaths else (0, 0, "")
