"""What became of the deliveries to each subscriber, counted from the stream ``deliveries``."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.events import AnyEvent, DeliveryAttempted, NotificationFailed, NotificationSent

#: What is counted.
KINDS = (NotificationSent, NotificationFailed, DeliveryAttempted)
#: More subscribers than that were removed long ago, or somebody writes nonsense into the log.
_MOST = 100_000


@dataclass
class Counts:
    """Deliveries to one subscriber.

    sent          notifications that it took
    failed_tries  tries that did not succeed
    given_up      notifications that became dead letters
    in_a_row      failed tries since the last success
    answer        what it said last, as ``200``; error: of the last failed try, empty after a success
    last          wall clock of the last try, ns; last_sent: of the last success
    latency_ms    time that the last success took
    gone          it said that it does not exist any more (410), and nothing succeeded since
    """

    sent: int = 0
    failed_tries: int = 0
    given_up: int = 0
    in_a_row: int = 0
    answer: str = ""
    error: str = ""
    last: int = 0
    last_sent: int = 0
    latency_ms: float = 0.0
    gone: bool = False

    def add(self, event: NotificationSent | NotificationFailed | DeliveryAttempted) -> None:
        """Count one event."""
        self.last = max(self.last, event.time)
        self.answer = event.answer or self.answer
        if isinstance(event, NotificationSent):
            self.sent += 1
            self.in_a_row, self.error, self.gone = 0, "", False
            self.last_sent, self.latency_ms = event.time, event.latency_ms
        elif isinstance(event, NotificationFailed):
            self.given_up += 1
            self.error = event.error
            self.gone = event.answer == "410"
        else:
            self.failed_tries += 1
            self.in_a_row += 1
            self.error = event.error


@dataclass
class Counting:
    """Counts by subscriber, as far as events were given."""

    counts: dict[str, Counts] = field(default_factory=dict)

    def add(self, events: Iterable[AnyEvent]) -> None:
        """Count events, in the order of the log."""
        for event in events:
            if not isinstance(event, KINDS):
                continue
            if event.subscriber in self.counts or len(self.counts) < _MOST:
                self.counts.setdefault(event.subscriber, Counts()).add(event)

    def forget(self, name: str) -> None:
        """Begin anew for a subscriber."""
        self.counts.pop(name, None)


def counted(events: Iterable[AnyEvent]) -> dict[str, Counts]:
    """Subscriber -> what became of its deliveries."""
    counting = Counting()
    counting.add(events)
    return counting.counts
