"""Groups of alerts: what is told together, and when it is looked at next.

As Alertmanager's dispatcher does it: a group is made by its first alert, looked at after ``group_wait`` and then every
``group_interval``. All times are wall clock, ns, and come from outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush

from contracts.instants import SECOND

from .tree import Node, Tree

#: How often groups without alerts are removed. Until then such a group keeps its turns, as in Alertmanager.
SWEEP = 30 * SECOND
#: Stands in the queue for the sweep; groups are numbered from 1.
SWEEPING = 0


@dataclass
class GroupsState:
    """The groups and their alerts. An alert is a text that names it."""

    tree: str = ""
    """Digest of the tree that they belong to."""
    firing: dict[str, bool] = field(default_factory=dict)
    """alert -> whether it fires; those that some group has yet to look at"""
    inside: dict[str, list[int]] = field(default_factory=dict)
    """alert -> its groups"""
    left: dict[str, list[int]] = field(default_factory=dict)
    """alert -> groups that its labels led to before they changed: there it is over"""
    number: dict[tuple[int | str, ...], int] = field(default_factory=dict)
    """node and labels -> group"""
    node: dict[int, int] = field(default_factory=dict)
    labels: dict[int, list[str]] = field(default_factory=dict)
    """group -> name, value, name, value"""
    members: dict[int, list[str]] = field(default_factory=dict)
    due: dict[int, int] = field(default_factory=dict)
    """group -> when it is looked at next"""
    looked: dict[int, bool] = field(default_factory=dict)
    """group -> whether it was looked at: from then on nothing in it hurries"""
    news: dict[int, list[str]] = field(default_factory=dict)
    """group -> alerts that are to be told at its next turn as if they had not been told"""
    queue: list[list[int]] = field(default_factory=list)
    """Heap of time and group; an entry of another time than the group's is void."""
    made: int = 0
    """Groups so far."""


@dataclass(frozen=True)
class Entering:
    """An alert as it is now."""

    alert: str
    labels: Mapping[str, str]
    firing: bool
    starts: int


def enter(tree: Tree, state: GroupsState, entering: Entering, now: int) -> None:
    """Put an alert into the groups that its labels lead to, or note there what has become of it.

    An alert that began longer ago than ``group_wait`` has waited enough: a new group that it is in is looked at now.
    """
    alert = entering.alert
    wanted = []
    for node in tree.find(entering.labels):
        key: tuple[int | str, ...] = (node.number, *node.group(entering.labels))
        number = state.number.get(key)
        if number is None:
            number = _made(state, node, key, now)
        wanted.append(number)
        if not state.looked[number] and entering.starts + node.wait < now < state.due[number]:
            plan(state, number, now)
    state.firing[alert] = entering.firing
    inside = state.inside.setdefault(alert, [])
    for number in wanted:
        if number not in inside:
            inside.append(number)
            state.members[number].append(alert)
    left = [number for number in inside if number not in wanted]
    if left:
        state.left[alert] = left
    else:
        state.left.pop(alert, None)


def plan(state: GroupsState, number: int, at: int) -> None:
    """Look at a group at a time, instead of when it was planned."""
    state.due[number] = at
    heappush(state.queue, [at, number])


def next_entry(state: GroupsState, now: int) -> tuple[int, int] | None:
    """The next time and group that the queue has up to ``now``, taken out; it may be void."""
    if not state.queue or state.queue[0][0] > now:
        return None
    time, number = heappop(state.queue)
    return time, number


def fires(state: GroupsState, alert: str, number: int) -> bool:
    """Whether an alert fires, as its group sees it."""
    return state.firing[alert] and number not in state.left.get(alert, ())


def release(state: GroupsState, number: int, alerts: list[str]) -> None:
    """Take alerts that are over out of a group."""
    if not alerts:
        return
    out = set(alerts)
    state.members[number] = [alert for alert in state.members[number] if alert not in out]
    for alert in alerts:
        inside = state.inside[alert]
        inside.remove(number)
        if number in state.left.get(alert, ()):
            state.left[alert].remove(number)
            if not state.left[alert]:
                del state.left[alert]
        if not inside:
            del state.inside[alert], state.firing[alert]


def sweep(state: GroupsState, at: int) -> list[int]:
    """Remove the groups without alerts, and plan the next sweep; the numbers of those removed."""
    empty = [number for number, members in state.members.items() if not members]
    for number in empty:
        del state.number[(state.node[number], *state.labels[number])]
        for column in (state.node, state.labels, state.members, state.due, state.looked):
            del column[number]
        state.news.pop(number, None)
    heappush(state.queue, [at + SWEEP, SWEEPING])
    return empty


def _made(state: GroupsState, node: Node, key: tuple[int | str, ...], now: int) -> int:
    state.made += 1
    number = state.made
    state.number[key] = number
    state.node[number] = node.number
    state.labels[number] = [str(part) for part in key[1:]]
    state.members[number] = []
    state.looked[number] = False
    plan(state, number, now + node.wait)
    return number
