"""What follows from one event among the signals."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from contracts.events import (
    AlertAcknowledged,
    AlertChanged,
    AlertClosed,
    AlertPushed,
    Event,
    NotificationDue,
    Signalled,
    SilenceEnded,
    SilenceSet,
    SubscriberNoted,
    SubscriberTested,
    TimePassed,
)
from contracts.instants import SECOND

from ..routing import silences
from ..routing.routing import RoutingState
from . import audience
from .audience import Audience
from .changes import changed
from .life import Change, Life
from .pacing import Pace, admitted, summed_up
from .routed import Routed
from .state import AlertsState
from .subscriptions import wanted
from .telling import Message, due
from .testing import tested

if TYPE_CHECKING:
    from .alerts import Alerts

Out = AlertChanged | NotificationDue

#: A clock that is back by more than this was set back; by less, another machine says the time now.
_SET_BACK = 60 * SECOND


class Turn:
    """One event at work on the state."""

    def __init__(self, part: "Alerts", state: AlertsState, event: Event) -> None:
        self.state, self.event = state, event
        set_back = self._clock(event)
        if isinstance(event, SubscriberNoted):
            audience.note(event, state)
        self.audience = Audience(part.listeners, state)
        self.subscribing = dict(self.audience.subscribing())
        self.life = Life(part.alerting, state)
        routing = part.routing(timed=state.timed)
        self.routed = Routed(routing, state, self.audience, self.life) if routing else None
        if routing is None:
            if state.routing.groups.tree:
                # There were routes once: what waited in their groups waits for nothing now.
                state.routing = RoutingState(silences=state.routing.silences)
        elif self.routed and (set_back or not routing.fits(state.routing)):
            self.routed.begin_again()

    def outputs(self) -> Iterator[Out]:
        """Changes of alerts and messages, in the order in which they follow."""
        yield from self._routed()
        for change in chain(self._changes(self.event), self._passed()):
            if self.routed:
                self.routed.enter(change)
            yield from self._out(change)
        if self.routed and self.life.grown:
            self.routed.renew(self.life.grown)
        for each in self._pushed():
            yield from self._out(each)
        if isinstance(self.event, SubscriberTested):
            yield tested(self.event, self.state)
        # What waits for nothing. Where no time is told each look takes some.
        self.state.now += not self.state.timed
        yield from self._routed()
        for name, pace in summed_up(self.state):
            yield from self._digest(name, pace)

    def _clock(self, event: Event) -> bool:
        """Take in the time; whether it was set back."""
        state = self.state
        if isinstance(event, TimePassed):
            back = state.timed and event.time < state.now - _SET_BACK
            state.now = event.time if back or not state.timed else max(state.now, event.time)
            state.timed = True
            return back
        if not state.timed:
            # Once the time is told, it alone counts: other machines may have other clocks.
            state.now = max(state.now + 1, event.time)
        return False

    # ---- what happens

    def _changes(self, event: Event) -> Iterator[Change]:
        if isinstance(event, Signalled):
            for signal in event.signals:
                yield from self.life.signal(signal)
        elif isinstance(event, AlertAcknowledged):
            yield from self.life.acknowledge(event)
        elif isinstance(event, AlertClosed):
            yield from self.life.close(event)
        elif isinstance(event, SilenceSet | SilenceEnded):
            self._silence(event)

    def _silence(self, event: SilenceSet | SilenceEnded) -> None:
        state = self.state
        if isinstance(event, SilenceEnded):
            silences.end(state.routing.silences, event.silence)
            state.hushing = True
            return
        # What begins at once does so where it stands in the log: the time that is told is behind the clock of whoever
        # wrote it, and what came in between would still be told.
        starts = event.starts if event.starts > event.time else min(event.starts, state.now)
        if silences.put(state.routing.silences, event.id, event.matchers, starts, event.ends):
            state.spoken[event.id] = [event.by, event.comment]
        state.hushing = True

    def _passed(self) -> Iterator[Change]:
        state = self.state
        turned = silences.next_change(state.routing.silences, state.muted_at)
        if state.hushing or (turned is not None and turned <= state.now):
            yield from self.life.hush()
        yield from self.life.pass_time()

    # ---- who is told

    def _pushed(self) -> Iterator[Change | Message]:
        event = self.event
        if isinstance(event, AlertPushed) and self.routed and (alert := self.state.known(event.alert)) is not None:
            yield from self.routed.push(alert, event.by, event.note)

    def _routed(self) -> Iterator[Out]:
        if self.routed:
            for each in self.routed.due():
                yield from self._out(each)

    def _out(self, each: Change | Message) -> Iterator[Out]:
        if isinstance(each, Message):
            yield from self._told(each)
            return
        yield changed(each, self.event.id, self.state.now)
        before = each.alert.told, each.alert.hidden
        for message in wanted(each, self.subscribing, self.state.now):
            yield from self._told(message)
        if (each.alert.told, each.alert.hidden) != before:
            self.state.keep(each.alert)

    def _told(self, message: Message) -> Iterator[NotificationDue]:
        listener = self.audience.get(message.subscriber)
        if listener is not None and admitted(self.state, listener.most_per_minute, message):
            yield due(message, self.state, self.event.id)

    def _digest(self, name: str, pace: Pace) -> Iterator[NotificationDue]:
        known = [alert for identity in pace.ids if (alert := self.state.known(identity)) is not None]
        if known and self.audience.get(name) is not None:
            firing, ended = ([one for one in known if one.firing is fires] for fires in (True, False))
            reason = f"{pace.kept:,} messages in a minute were too many: here they are in one."
            counts = (pace.firing, pace.resolved) if pace.is_full else (len(firing), len(ended))
            message = Message(name, name, "digest", firing, ended, *counts, reason=reason)
            yield due(message, self.state, self.event.id)
