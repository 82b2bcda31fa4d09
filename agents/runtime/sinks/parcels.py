"""What a sink has in hand: entries, and the events of each on their way."""

from dataclasses import dataclass, field

from bus.protocol import Delivery
from bus.retry import Backoff
from contracts.events import AnyEvent, Event

#: The server keeps one number for each entry: how often it was begun, and times this, how often a process ended
#: meanwhile.
CRASH = 1_000_000


@dataclass(eq=False)
class Opened:
    """An entry on its way: settled when nothing of it is left to deliver."""

    delivery: Delivery
    parcels: list["Parcel"] = field(default_factory=list)
    receipts: list[AnyEvent] = field(default_factory=list)
    crashes: int = 0
    under_way: int = 0
    told: int = 1
    """The number that the server keeps now."""
    lost: bool = False
    """Somebody else has it now."""
    settling: bool = False

    @property
    def size(self) -> int:
        """Bytes of the entry."""
        return sum(map(len, self.delivery.entry.fields.values()))

    @property
    def number(self) -> int:
        """The number that the server should keep: if we end while something is under way, it counts as a crash."""
        tries = max((parcel.tries for parcel in self.parcels), default=1)
        return (self.crashes + bool(self.under_way)) * CRASH + tries


@dataclass(eq=False)
class Parcel:
    """One event on its way to one destination."""

    event: Event
    position: int
    at: int
    """Ordinal of the Redriven that the event came with, if it did."""
    destination: str
    opened: Opened
    backoff: Backoff
    tries: int = 0
    due: float = 0.0

    def precedes(self, other: "Parcel") -> bool:
        """Whether it stands before the other one in the log; between two places there is no order."""
        same = self.opened.delivery.place == other.opened.delivery.place
        return same and (self.at or self.position) < (other.at or other.position)
