"""The life of alerts: opened, acknowledged, silenced, resolved, reopened; one for each trouble and all its findings."""

from collections.abc import Iterator
from typing import NamedTuple

from contracts.alerting import AlertingSettings
from contracts.events import AlertAcknowledged, AlertClosed, Signal
from contracts.instants import SECOND

from ..routing.matching import matches
from ..routing.silences import active
from .alert import RANK, Alert
from .state import AlertsState

#: The alert that stands for all that are not followed.
OVERFLOW = "overflow"
#: What is over is remembered at least so long, ns: that it is has to be told.
_LEAST_MEMORY = 900 * SECOND
#: Alerts that a single event changes by the time or a silence; the others follow with those after it.
_AT_ONCE = 1_000
#: Characters of what somebody says of an alert.
_NOTE = 500
_NEVER = 2**62


class Change(NamedTuple):
    """What became of an alert."""

    alert: Alert
    what: str
    by: str = ""
    note: str = ""


class Life:
    """What signals, people and the time make of the alerts in a state."""

    def __init__(self, settings: AlertingSettings, state: AlertsState) -> None:
        self.settings, self.state = settings, state
        self.reopen_within = round(settings.reopen_within * SECOND)
        self.flap_window = round(settings.flap_window * SECOND)
        self.resolve_after = round(settings.resolve_after * SECOND)
        self.remember = max(self.reopen_within, _LEAST_MEMORY) + SECOND
        self.muting = [matchers for _, matchers in active(state.routing.silences, state.now)]
        self.grown = ""

    # ---- findings

    def signal(self, signal: Signal) -> Iterator[Change]:
        """A finding, or the end of one."""
        alert = self.state.find(signal.key)
        if signal.state == "resolved":
            yield from self._over(alert, signal)
        elif alert is None:
            yield from self._new(signal)
        elif alert.firing:
            yield from self._again(alert, signal)
        else:
            yield from self._returned(alert, signal)

    def _new(self, signal: Signal) -> Iterator[Change]:
        if not self._room():
            yield from self._overflown(signal)
            return
        labels = {**self.settings.labels, **signal.labels, "kind": signal.kind, "asset": signal.asset}
        if signal.channel:
            labels["channel"] = signal.channel
        alert = Alert.of(signal, self.state.now, labels)
        yield self.changed(alert, "opened")

    def _again(self, alert: Alert, signal: Signal) -> Iterator[Change]:
        """One more finding of an alert that fires."""
        worse = RANK[signal.severity] > RANK[alert.severity]
        self._count(alert, signal, worse=worse)
        alert.keep_open(signal)
        alert.quiet = 0
        if worse:
            # What was acknowledged was less than this.
            self._disown(alert)
            yield self.changed(alert, "worsened")
        else:
            self._keep(alert)

    def _returned(self, alert: Alert, signal: Signal) -> Iterator[Change]:
        """A finding of an alert that was over."""
        now = self.state.now
        if now - alert.ended > self.reopen_within:
            # The former one is remembered for a while: that it ended may not have been told yet.
            yield from self._new(signal)
            return
        self._count(alert, signal, worse=True)
        alert.reopened = [at for at in alert.reopened if at > now - self.flap_window] + [now]
        alert.keep_open(signal)
        alert.state, alert.opened, alert.ended, alert.quiet = "open", now, 0, 0
        alert.flapping = len(alert.reopened) >= self.settings.flap_after
        yield self.changed(alert, "flapping" if alert.flapping else "reopened")

    def _count(self, alert: Alert, signal: Signal, *, worse: bool) -> None:
        alert.findings, alert.last, alert.latest = alert.findings + 1, signal.at, signal.finding
        alert.heard = self.state.now
        if worse:
            alert.severity = signal.severity
        if worse or signal.score > alert.score:
            alert.describe(alert.about[0], signal.summary, signal.detail, dict(signal.contributions))
        alert.score = max(alert.score, signal.score)

    def _over(self, alert: Alert | None, signal: Signal) -> Iterator[Change]:
        if alert is None or not alert.firing:
            return
        alert.let_go(signal)
        if alert.open:
            self._keep(alert)
        elif alert.flapping:
            # It came back often enough: it is over when it stays away.
            alert.quiet = alert.quiet or self.state.now
            self._keep(alert)
        else:
            yield self._resolved(alert, "resolved")

    # ---- too many

    def _room(self) -> bool:
        """Whether one more alert can be followed; those that are over make room."""
        state, most = self.state, self.settings.most_alerts
        while state.followed(OVERFLOW) >= most and state.resolved:
            oldest = state.alert(next(iter(state.resolved)))
            state.forget(oldest)
        return state.followed(OVERFLOW) < most

    def _overflown(self, signal: Signal) -> Iterator[Change]:
        most = self.settings.most_alerts
        one = signal.model_copy(update={
            "key": OVERFLOW, "kind": "health", "channel": "", "asset": OVERFLOW, "score": 0.0, "contributions": {},
            "summary": f"more than {most:,} alerts: further ones are only counted",
            "detail": "Why: as many as alerting.most_alerts are followed; the findings are all in the log",
        })  # fmt: skip
        alert = self.state.find(OVERFLOW)
        if alert is None:
            labels = {**self.settings.labels, "alertname": OVERFLOW, "kind": "health", "asset": OVERFLOW}
            yield self.changed(Alert.of(one, self.state.now, labels), "opened")
        elif alert.firing:
            yield from self._again(alert, one)
            # Of one alert that stands for many, how many they are is news, unless somebody takes care of it.
            self.grown = alert.id if alert.state == "open" else ""
        else:
            yield from self._returned(alert, one)

    # ---- people

    def acknowledge(self, event: AlertAcknowledged) -> Iterator[Change]:
        """Somebody takes care of it."""
        alert = self.state.known(event.alert)
        if alert is None or not alert.firing:
            return
        alert.state, alert.owner, alert.until = "acknowledged", event.by, event.until
        alert.note = " ".join(event.note.split())[:_NOTE]
        yield self.changed(alert, "acknowledged", event.by, alert.note)

    def close(self, event: AlertClosed) -> Iterator[Change]:
        """Somebody says that it is over."""
        alert = self.state.known(event.alert)
        if alert is not None and alert.firing:
            alert.note = " ".join(event.note.split())[:_NOTE]
            yield self._resolved(alert, "closed", event.by)

    # ---- time

    def pass_time(self) -> Iterator[Change]:
        """What is due by now."""
        state = self.state
        if state.now < state.due:
            return
        for identity in state.fallen_due(_AT_ONCE):
            yield from self._fallen_due(state.alert(identity))
        state.due = state.next_due()

    def _fallen_due(self, alert: Alert) -> Iterator[Change]:
        now = self.state.now
        if not alert.firing:
            if alert.id in self.state.routing.groups.inside:
                # That it is over has yet to be told.
                alert.due = now + _LEAST_MEMORY
                self.state.keep(alert)
            else:
                self.state.forget(alert)
        elif self._end(alert) <= now:
            yield self._resolved(alert, "resolved")
        elif alert.state == "acknowledged" and 0 < alert.until <= now:
            owner = alert.owner
            self._disown(alert)
            yield self.changed(alert, "acknowledgement expired", owner)

    def _due(self, alert: Alert) -> int:
        """When the time alone changes something."""
        if not alert.firing:
            return alert.ended + self.remember
        until = alert.until if alert.state == "acknowledged" and alert.until else _NEVER
        return min(self._end(alert), until)

    def _end(self, alert: Alert) -> int:
        """When an alert ends by itself."""
        if alert.key == OVERFLOW:
            # Whether the others are over nobody knows: it is heard of again while there are too many.
            return alert.heard + self.reopen_within
        end = alert.heard + self.resolve_after
        return min(end, alert.quiet + self.flap_window) if alert.quiet else end

    def hush(self) -> Iterator[Change]:
        """Silences began or ended: some alerts are silenced now, others no more."""
        state = self.state
        # The engine remembers those that ended for a little longer: turns that were missed may need them.
        self.muting = [matchers for _, matchers in active(state.routing.silences, state.now)]
        state.spoken = {name: said for name, said in state.spoken.items() if name in state.routing.silences.known}
        state.muted_at, state.hushing, count = state.now, False, 0
        for identity in list(state.alerts):
            alert = state.alert(identity)
            if not alert.firing or alert.silenced == self._muted(alert):
                continue
            count += 1
            if count > _AT_ONCE:
                # With the next event.
                state.hushing = True
                return
            yield self.changed(alert, "unsilenced" if alert.silenced else "silenced")

    def _muted(self, alert: Alert) -> bool:
        if not self.muting:
            return False
        labels = alert.labels
        return any(matches(matchers, labels) for matchers in self.muting)

    # ---- common

    def _disown(self, alert: Alert) -> None:
        if alert.state == "acknowledged":
            alert.state, alert.until = "open", 0

    def _resolved(self, alert: Alert, what: str, by: str = "") -> Change:
        alert.state, alert.ended, alert.until, alert.quiet = "resolved", self.state.now, 0, 0
        if alert.flapping:
            alert.flapping, alert.reopened = False, []
        alert.open = []
        return self.changed(alert, what, by, alert.note if by else "")

    def changed(self, alert: Alert, what: str, by: str = "", note: str = "") -> Change:
        """Take in how an alert is now, as a change of it."""
        alert.changes += 1
        alert.silenced = self._muted(alert)
        self._keep(alert)
        return Change(alert, what, by, note)

    def _keep(self, alert: Alert) -> None:
        alert.due = self._due(alert)
        self.state.keep(alert)
