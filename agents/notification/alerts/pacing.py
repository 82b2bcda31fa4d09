"""No more than so many messages a minute to a subscriber: what is more is summed up in one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from contracts.instants import SECOND

from .alert import RANK
from .state import AlertsState
from .telling import Message

MINUTE = 60 * SECOND
#: Alerts that a message names at most.
MOST_NOTES = 50


@dataclass(slots=True)
class Pace:
    """What a subscriber was told in a minute, and what was kept back from it.

    worst   alerts of messages that were kept back, the worst first: rank, id, rank, id ...
    """

    begun: int
    sent: int = 0
    kept: int = 0
    firing: int = 0
    resolved: int = 0
    worst: list[Any] = field(default_factory=list)

    @classmethod
    def unpacked(cls, row: Sequence[Any]) -> Self:
        """The pace that ``packed`` made plain."""
        return cls(*row)

    def packed(self) -> list[Any]:
        """As a list of plain values."""
        return [self.begun, self.sent, self.kept, self.firing, self.resolved, self.worst]

    @property
    def ids(self) -> list[str]:
        return self.worst[1::2]

    @property
    def is_full(self) -> bool:
        """Whether there may be more alerts than are named."""
        return len(self.worst) >= 2 * MOST_NOTES

    def keep_back(self, message: Message) -> None:
        """Count a message that is not sent by itself."""
        self.kept += 1
        self.firing, self.resolved = self.firing + message.firing, self.resolved + message.resolved
        ranks = dict(zip(self.worst[1::2], self.worst[::2], strict=True))
        for alert in (*message.alerts, *message.ended):
            rank = RANK[alert.severity]
            ranks[alert.id] = max(rank, ranks.get(alert.id, rank))
        # A stable order: of those that are as bad, the first.
        worst = sorted(ranks.items(), key=lambda item: -item[1])[:MOST_NOTES]
        self.worst = [part for identity, rank in worst for part in (rank, identity)]


def admitted(state: AlertsState, most: int, message: Message) -> bool:
    """Whether its subscriber can be told a message now; otherwise it is kept back."""
    name = message.subscriber
    row = state.paces.get(name)
    pace = Pace.unpacked(row) if row else Pace(state.now)
    if not pace.kept and not 0 <= state.now - pace.begun < MINUTE:
        pace = Pace(state.now)
    free = pace.sent < most
    if free:
        pace.sent += 1
    else:
        pace.keep_back(message)
    state.paces[name] = pace.packed()
    return free


def summed_up(state: AlertsState) -> Iterator[tuple[str, Pace]]:
    """Subscribers whose minute is over with something kept back: it is forgotten here, to be told in one message."""
    for name, row in list(state.paces.items()):
        pace = Pace.unpacked(row)
        if 0 <= state.now - pace.begun < MINUTE:
            continue
        if not pace.kept:
            del state.paces[name]
            continue
        state.paces[name] = Pace(state.now, sent=1).packed()
        yield name, pace
