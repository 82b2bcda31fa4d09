"""The forwarder of findings: what it makes of them is the same wherever they are read again."""

from collections.abc import Iterator, Sequence

from contracts.events import (
    Event,
    Signal,
    Signalled,
    SubscriberChanged,
    SubscriberNoted,
    SubscriberRemoved,
    SubscriberSet,
)

from ...parts import Forwarder
from .signal import Found, signal_of

#: Signals in one event: far less than the megabyte that an event may take.
_MOST_SIGNALS = 250

About = SubscriberSet | SubscriberRemoved | SubscriberChanged


class Gather(Forwarder[Found | SubscriberSet, Signalled | SubscriberNoted]):
    """Brings findings, and what is said of subscribers, among the signals."""

    def forward(
        self, events: Sequence[Found | SubscriberSet], origin: str, now_ns: int
    ) -> Sequence[Signalled | SubscriberNoted]:
        """A Signalled for the findings among the events, and a SubscriberNoted for each change of a subscriber."""
        return [*_signalled(events, origin, now_ns), *_noted(events, now_ns)]


def _signalled(events: Sequence[Event], origin: str, now_ns: int) -> Iterator[Signalled]:
    signals = [signal for signal in map(signal_of, events) if signal is not None]
    for first in range(0, len(signals), _MOST_SIGNALS):
        some: tuple[Signal, ...] = tuple(signals[first : first + _MOST_SIGNALS])
        yield Signalled.of(cause=some[0].finding, time=now_ns, asset=some[0].asset, origin=origin, signals=some)


def _noted(events: Sequence[Event], now_ns: int) -> Iterator[SubscriberNoted]:
    for event in events:
        if isinstance(event, About):
            yield SubscriberNoted.of(
                cause=event.id,
                time=now_ns,
                asset=event.asset,
                name=event.name,
                spec=event.spec if isinstance(event, SubscriberSet) else None,
                removed=isinstance(event, SubscriberRemoved),
                state=event.state if isinstance(event, SubscriberChanged) else None,
            )
