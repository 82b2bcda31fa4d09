"""Routes at work: what they decide about alerts becomes messages to the subscribers that can be told."""

from collections.abc import Iterator, Mapping, Sequence

from contracts.instants import SECOND

from ..routing.groups import Entering
from ..routing.routing import Routing
from ..routing.telling import Telling
from .alert import Alert
from .audience import Audience, Listener
from .life import Change, Life
from .pacing import MOST_NOTES
from .state import ACKNOWLEDGED, AlertsState
from .telling import Message

#: Alerts of a group whose escalation is told as a change of theirs: its worst.
_MOST_ESCALATED = 10


class Routed:
    """Routes, and what is known of alerts; also what the routes ask that of."""

    def __init__(self, routing: Routing, state: AlertsState, audience: Audience, life: Life) -> None:
        self.routing, self.state, self.audience, self.life = routing, state, audience, life

    # ---- what routes ask

    def labels(self, alert: str) -> Mapping[str, str]:
        """The labels of an alert; none where it made room for others."""
        known = self.state.known(alert)
        return known.labels if known is not None else {}

    def acknowledged(self, alert: str) -> bool:
        """Whether somebody takes care of it."""
        return self.state.is_in(alert, ACKNOWLEDGED)

    # ---- what routes are told

    def begin_again(self) -> None:
        """Put all alerts into groups anew: the routes are other ones, or the clock was set back."""
        state = self.state
        inside = state.routing.groups.inside
        alerts = [alert for alert in map(state.alert, list(state.alerts)) if alert.firing or alert.id in inside]
        self.routing.rebuild(state.routing, [_entering(alert) for alert in alerts], state.now)

    def enter(self, change: Change) -> None:
        """An alert began, ended, or means something else."""
        if change.what in ("opened", "reopened", "flapping", "resolved", "closed", "worsened"):
            self.routing.enter(self.state.routing, _entering(change.alert), self.state.now)
        if change.what in ("worsened", "acknowledgement expired"):
            self.routing.renew(self.state.routing, change.alert.id)

    def renew(self, alert: str) -> None:
        """What was told of an alert is not all any more: its groups tell it at their next turn."""
        self.routing.renew(self.state.routing, alert)

    # ---- what routes decide

    def due(self) -> Iterator[Message | Change]:
        """What is to be told by now."""
        for telling in self.routing.due(self.state.routing, self.state.now, self):
            yield from self._told(telling)

    def push(self, alert: Alert, by: str, note: str) -> Iterator[Message | Change]:
        """Go one step further in the escalations of an alert, now."""
        for group in self.routing.groups_of(self.state.routing, alert.id):
            telling = self.routing.further(self.state.routing, group, self.state.now, self)
            if telling is not None:
                yield from self._told(telling, by, note)

    def _told(self, telling: Telling, by: str = "", note: str = "") -> Iterator[Message | Change]:
        """The messages of a decision. Where nobody can be told, the next step is taken at once."""
        missed: dict[str, None] = {}
        listeners = self._listeners(telling, missed)
        while not listeners and telling.firing:
            further = self.routing.further(self.state.routing, telling.group, telling.at, self)
            if further is None:
                break
            telling, listeners = further, self._listeners(further, missed)
        if telling.why == "escalation" or (telling.firing and not listeners):
            said = ", ".join(listeners) or "nobody"
            text = f"step {telling.step + 1}: {said} told" + (f"; not {', '.join(missed)}" if missed else "")
            text = f"{note} ({text})" if note else text
            for alert in self.state.worst(telling.firing, _MOST_ESCALATED):
                yield self.life.changed(alert, "escalated", by, text)
        yield from self._messages(telling, listeners, self._reason(telling, missed, by))

    def _listeners(self, telling: Telling, missed: dict[str, None]) -> dict[str, Listener]:
        """Who is told, each once; ``missed`` is given those who cannot be."""
        found: dict[str, Listener] = {}
        for name in telling.tell:
            subscriber = self.routing.on_call(name, self.state.now)
            listener = self.audience.get(subscriber) if subscriber else None
            if listener is None:
                missed[subscriber or name] = None
            elif subscriber:
                found[subscriber] = listener
        return found

    def _reason(self, telling: Telling, missed: Mapping[str, None], by: str) -> str:
        lines = []
        if telling.why == "escalation":
            after = self.routing.receivers[telling.receiver].steps[telling.step].after
            cause = f"{by} asked for it" if by else f"nobody acknowledged it{_so_long(after) * (not missed)}"
            lines.append(f"Step {telling.step + 1} of the escalation: {cause}.")
        if missed:
            lines.append(f"Could not be told: {', '.join(missed)}.")
        return " ".join(lines)

    def _messages(self, telling: Telling, listeners: Mapping[str, Listener], reason: str) -> Iterator[Message]:
        firing = self.state.worst(telling.firing, MOST_NOTES) if listeners else []
        ended = self.state.worst(telling.resolved, MOST_NOTES - len(firing)) if listeners else []
        some = telling.why == "new" and len(telling.fresh) < len(telling.firing)
        news = self.state.worst(telling.fresh, 1) if some and listeners else []
        for name, listener in listeners.items():
            hears = listener.send_resolved
            shown: Sequence[Alert] = ended if hears else ()
            if firing or shown:
                yield Message(
                    subscriber=name, about=telling.group_key, why=telling.why, alerts=firing, ended=shown,
                    firing=len(telling.firing), resolved=len(telling.resolved) if hears else 0,
                    receiver=telling.receiver, group=telling.labels, group_key=telling.group_key, reason=reason,
                    fresh=len(telling.fresh) if news else 0, news=next(iter(news), None),
                )  # fmt: skip


def _entering(alert: Alert) -> Entering:
    return Entering(alert.id, alert.labels, alert.firing, alert.opened)


def _so_long(seconds: float) -> str:
    if not seconds:
        return ""
    return f" for {seconds / 60:g} min" if seconds * SECOND >= 60 * SECOND else f" for {seconds:g} s"
