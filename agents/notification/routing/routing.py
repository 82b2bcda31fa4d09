"""Who is told of which alerts, and when: Alertmanager's decisions, as a pure function of alerts and time.

``Routing`` is the configuration, ready to be asked; it never changes. ``RoutingState`` is all that it remembers. Time
comes from outside and never goes back. At each point in time: first ``due``, then what happened.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contracts.alerting import AlertingSettings
from contracts.errors import ConfigError
from contracts.identity import digest
from contracts.routes import Receiver, Step

from . import escalation, groups, inhibition, silences, told
from .checking import check_names
from .escalation import EscalationsState
from .groups import SWEEPING, Entering, GroupsState
from .inhibition import InhibitionState, Rule
from .intervals import Interval, intervals_of
from .oncall import Rota, rotas_of
from .silences import SilencesState
from .telling import Known, Telling
from .told import ToldState, Why
from .tree import Node, Tree


@dataclass
class RoutingState:
    """What is remembered between two looks: plain data, for agents.state."""

    groups: GroupsState = field(default_factory=GroupsState)
    told: ToldState = field(default_factory=ToldState)
    escalations: EscalationsState = field(default_factory=EscalationsState)
    inhibition: InhibitionState = field(default_factory=InhibitionState)
    silences: SilencesState = field(default_factory=SilencesState)


@dataclass(frozen=True)
class Routing:
    """Routes, receivers, inhibition, time intervals and schedules, compiled."""

    tree: Tree
    receivers: Mapping[str, Receiver]
    rules: tuple[Rule, ...]
    intervals: Mapping[str, Interval]
    rotas: Mapping[str, Rota]
    digest: str
    """Of all that the state depends on."""

    @classmethod
    def of(cls, alerting: AlertingSettings, folder: Path = Path()) -> "Routing | None":
        """The routing of a configuration; None where it has no routes. Reads the iCal files, relative to ``folder``.

        Raises ConfigError with every problem at once, each with the path of the setting under ``alerting``.
        """
        problems: list[str] = []
        rules = inhibition.rules_of(alerting.inhibit_rules, problems)
        intervals = intervals_of(alerting.time_intervals, problems)
        rotas = rotas_of(alerting.schedules, folder, problems)
        tree = None if alerting.route is None else Tree.of(alerting.route, problems)
        check_names(alerting, problems)
        if problems:
            raise ConfigError([f"alerting.{problem}" for problem in problems])
        if tree is None:
            return None
        by_name = {
            name: alerting.receivers.get(name) or Receiver(steps=(Step(tell=(name,)),))
            for name in {node.receiver for node in tree.nodes}
        }
        mark = digest(tree.digest, *(repr(rule) for rule in rules))
        return cls(tree, by_name, rules, intervals, rotas, mark)

    def fits(self, state: RoutingState) -> bool:
        """Whether the state was made with these routes and rules; where not, see ``rebuild``."""
        return state.groups.tree == self.digest

    def rebuild(self, state: RoutingState, alerts: Sequence[Entering], now: int) -> None:
        """Begin the groups anew with alerts that are known, as for a new configuration. What was told stays told."""
        state.groups = GroupsState(tree=self.digest)
        state.escalations, state.inhibition = EscalationsState(), InhibitionState()
        groups.sweep(state.groups, now)
        # Where the clock was set back, nothing was told in the future.
        state.told.swept = min(state.told.swept or now, now)
        for entry in state.told.log.values():
            entry[0] = min(entry[0], now)
        for entering in alerts:
            self.enter(state, entering, now)

    def enter(self, state: RoutingState, entering: Entering, now: int) -> None:
        """An alert began, ended, or has other labels."""
        inhibition.note(self.rules, state.inhibition, entering.alert, entering.labels, entering.firing)
        groups.enter(self.tree, state.groups, entering, now)

    def follows(self, state: RoutingState, alert: str) -> bool:
        """Whether some group has yet to look at it: until then its labels must be known."""
        return alert in state.groups.inside

    def due(self, state: RoutingState, now: int, known: Known) -> Iterator[Telling]:
        """What is to be told up to ``now``, in order. Turns that were missed are made up for by one."""
        while (entry := groups.next_entry(state.groups, now)) is not None:
            time, number = entry
            if number == SWEEPING:
                for gone in groups.sweep(state.groups, now - (now - time) % groups.SWEEP):
                    escalation.finish(state.escalations, gone)
                # Up to the last sweep everybody has seen them end.
                silences.forget(state.silences, time - groups.SWEEP)
                if now - state.told.swept >= told.MAINTENANCE:
                    told.maintain(state.told, now, {self._key(state, group) for group in state.groups.node})
            elif state.groups.due.get(number) == time:
                interval = self._node(state, number).interval
                at = now - (now - time) % interval
                groups.plan(state.groups, number, at + interval)
                yield from self._look(state, number, at, known)
            elif state.escalations.due.get(number) == time:
                yield from self._escalate(state, number, time, known)

    def next_due(self, state: RoutingState) -> int | None:
        """Not before this time is there anything to do."""
        return state.groups.queue[0][0] if state.groups.queue else None

    def further(self, state: RoutingState, number: int, at: int, known: Known) -> Telling | None:
        """Tell the next step of a group now; None: there is none, or nothing that fires unacknowledged."""
        if number not in state.groups.node:
            return None
        firing, _ = self._visible(state, number, at, known)
        waiting = [alert for alert in firing if not known.acknowledged(alert)]
        steps = self._receiver(state, number).steps
        if not waiting:
            return None
        level = escalation.further(state.escalations, state.groups.queue, number, steps)
        if level is None:
            return None
        return self._telling(state, number, at, "escalation", (waiting, []), range(level, level + 1))

    def renew(self, state: RoutingState, alert: str) -> None:
        """Something about an alert is news: its groups tell it, at their next turn, as if it had not been told yet."""
        for number in self.groups_of(state, alert):
            news = state.groups.news.setdefault(number, [])
            if alert not in news:
                news.append(alert)

    def groups_of(self, state: RoutingState, alert: str) -> list[int]:
        """The groups that an alert is in, for ``further``."""
        left = state.groups.left.get(alert, ())
        return [number for number in state.groups.inside.get(alert, ()) if number not in left]

    def inhibited(self, state: RoutingState, labels: Mapping[str, str]) -> bool:
        """Whether another alert is the reason that one with these labels is not told."""
        return inhibition.inhibited(self.rules, state.inhibition, labels)

    def on_call(self, name: str, at: int) -> str | None:
        """The subscriber that a name means at a time: itself, or whoever has the schedule; None: nobody."""
        rota = self.rotas.get(name)
        return name if rota is None else rota.at(at)

    def _look(self, state: RoutingState, number: int, at: int, known: Known) -> Iterator[Telling]:
        """Alertmanager's pipeline: inhibition, times, silences, what was told last."""
        state.groups.looked[number] = True
        members = state.groups.members[number]
        if not members:
            return
        over = [alert for alert in members if not groups.fires(state.groups, alert, number)]
        firing, resolved = self._visible(state, number, at, known)
        if firing or resolved:
            yield from self._tell(state, number, at, (firing, resolved), known)
        groups.release(state.groups, number, over)
        if not any(groups.fires(state.groups, alert, number) for alert in state.groups.members[number]):
            escalation.finish(state.escalations, number)

    def _tell(
        self, state: RoutingState, number: int, at: int, visible: tuple[list[str], list[str]], known: Known
    ) -> Iterator[Telling]:
        firing, resolved = visible
        node, receiver = self._node(state, number), self._receiver(state, number)
        key = self._key(state, number)
        last = state.told.log.get(key)
        news = state.groups.news.get(number, ())
        why = told.why(last, (firing, resolved), news, at - node.repeat, receiver.send_resolved)
        waiting = [alert for alert in firing if not known.acknowledged(alert)]
        if not waiting and firing:
            # Somebody takes care of all of it.
            escalation.pause(state.escalations, number)
            state.escalations.held[number] = True
            why = "" if why == "repeat" else why
        elif state.escalations.held.pop(number, False) and not why and waiting:
            # An acknowledgement has expired: as if it were told anew.
            why = "repeat"
        if waiting:
            escalation.begin(state.escalations, state.groups.queue, number, receiver.steps, at)
        if why and (firing or receiver.send_resolved):
            reached = state.escalations.reached.get(number, 0)
            shown = resolved if receiver.send_resolved else []
            yield self._telling(state, number, at, why, (firing, shown), range(reached + 1))
        if why:
            told.note(state.told, key, at, (firing, resolved), node.repeat)
            state.groups.news.pop(number, None)
        yield from self._escalate(state, number, at, known)

    def _escalate(self, state: RoutingState, number: int, at: int, known: Known) -> Iterator[Telling]:
        """The group's next step, where its time has come. One that is muted now is told when it no longer is."""
        steps = self._receiver(state, number).steps
        while escalation.is_over(state.escalations, number, steps, at):
            telling = self.further(state, number, at, known)
            if telling is None:
                return
            yield telling

    def _telling(
        self,
        state: RoutingState,
        number: int,
        at: int,
        why: Why,
        alerts: tuple[Sequence[str], Sequence[str]],
        levels: range,
    ) -> Telling:
        node, receiver = self._node(state, number), self._receiver(state, number)
        flat = state.groups.labels[number]
        firing, resolved = alerts
        last = state.told.log.get(self._key(state, number))
        heard = set(last[1] if last is not None else ()).difference(state.groups.news.get(number, ()))
        tell = dict.fromkeys(name for level in levels for name in receiver.steps[level].tell)
        return Telling(
            at=at,
            why=why,
            group=number,
            group_key=self._group_key(state, number),
            path=node.path,
            labels=dict(zip(flat[::2], flat[1::2], strict=True)),
            receiver=node.receiver,
            tell=tuple(tell),
            step=levels[-1],
            firing=tuple(firing),
            resolved=tuple(resolved),
            fresh=tuple(alert for alert in firing if alert not in heard),
        )

    def _visible(self, state: RoutingState, number: int, at: int, known: Known) -> tuple[list[str], list[str]]:
        """The alerts of a group that may be told: those that fire, and those that are over."""
        node = self._node(state, number)
        if self._is_closed(node, at):
            return [], []
        may = self._may(state, silences.Index(silences.active(state.silences, at)), known)
        visible = [alert for alert in state.groups.members[number] if may(alert)]
        firing = [alert for alert in visible if groups.fires(state.groups, alert, number)]
        fired = set(firing)
        return firing, [alert for alert in visible if alert not in fired]

    def _may(self, state: RoutingState, muting: silences.Index, known: Known) -> Callable[[str], bool]:
        if not muting and not state.inhibition.counts:
            return lambda _: True

        def may(alert: str) -> bool:
            labels = known.labels(alert)
            return not muting.silences(labels) and not self.inhibited(state, labels)

        return may

    def _is_closed(self, node: Node, at: int) -> bool:
        if node.active and not any(self.intervals[name].contains(at) for name in node.active):
            return True
        return any(self.intervals[name].contains(at) for name in node.mute)

    def _node(self, state: RoutingState, number: int) -> Node:
        return self.tree.nodes[state.groups.node[number]]

    def _receiver(self, state: RoutingState, number: int) -> Receiver:
        return self.receivers[self._node(state, number).receiver]

    def _group_key(self, state: RoutingState, number: int) -> str:
        flat = state.groups.labels[number]
        pairs = ", ".join(f'{name}="{value}"' for name, value in zip(flat[::2], flat[1::2], strict=True))
        return f"{self._node(state, number).path}:{{{pairs}}}"

    def _key(self, state: RoutingState, number: int) -> str:
        return f"{self._node(state, number).receiver} {self._group_key(state, number)}"
