"""The tree of routes: which nodes an alert ends at, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from contracts.identity import digest
from contracts.instants import SECOND
from contracts.routes import Route

from .matching import Matcher, braced, is_label, matches, parse_all

_ALL = "..."


@dataclass(frozen=True)
class Node:
    """A route with everything that it has from those above it. Times are ns."""

    number: int
    """Place in the tree, from 0, each before its children."""
    path: str
    """As Alertmanager's key: ``{}/{severity="critical"}``. Two nodes may have the same."""
    depth: int
    receiver: str
    matchers: tuple[Matcher, ...]
    group_by: tuple[str, ...] | None
    """Sorted; None: each alert is a group by itself."""
    wait: int
    interval: int
    repeat: int
    mute: tuple[str, ...]
    active: tuple[str, ...]
    go_on: bool
    children: tuple["Node", ...] = ()

    def group(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """The labels that name the group of an alert: name, value, name, value, by name. A missing one is left out."""
        return tuple(
            part
            for name in sorted(labels)
            if (self.group_by is None or name in self.group_by) and labels[name]
            for part in (name, labels[name])
        )


class Tried(NamedTuple):
    """What became of one node: ``why`` names what did not fit, or why it was not asked."""

    node: Node
    chosen: bool
    fits: bool
    why: str


class Tree:
    """Routes as they were configured, ready to be asked."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.nodes = tuple(_all(root))
        #: Groups that were made by another tree are made anew.
        self.digest = digest(*(repr(node) for node in self.nodes))

    @classmethod
    def of(cls, route: Route, problems: list[str]) -> "Tree":
        """The tree of a configuration; what is wrong with it is added to ``problems``, with the path of the node."""
        return cls(_Reader(problems).node(route, None, "route"))

    def find(self, labels: Mapping[str, str]) -> list[Node]:
        """The nodes that an alert ends at: of each that fits the children that fit, or itself where none does."""
        return _find(self.root, labels)

    def explain(self, labels: Mapping[str, str]) -> list[Tried]:
        """Every node in order, and what became of it."""
        chosen = {node.number for node in self.find(labels)}
        return list(_explain(self.root, labels, chosen, ""))


class _Reader:
    """Makes nodes of routes, and notes what is wrong with them."""

    def __init__(self, problems: list[str]) -> None:
        self._problems = problems
        self._next = 0

    def node(self, route: Route, above: Node | None, place: str) -> Node:
        number, self._next = self._next, self._next + 1
        if above is None:
            self._check_root(route, place)
        matchers = self._matchers(route, place)
        inherited = above or _DEFAULT
        node = Node(
            number=number,
            path="{}" if above is None else f"{above.path}/{braced(matchers)}",
            depth=0 if above is None else above.depth + 1,
            receiver=route.receiver or inherited.receiver,
            matchers=matchers,
            group_by=self._group_by(route, inherited, place),
            wait=_ns(route.group_wait, inherited.wait),
            interval=self._positive(route.group_interval, inherited.interval, f"{place}.group_interval"),
            repeat=self._positive(route.repeat_interval, inherited.repeat, f"{place}.repeat_interval"),
            mute=route.mute_time_intervals,
            active=route.active_time_intervals,
            go_on=route.continue_,
        )
        children = tuple(self.node(child, node, f"{place}.routes[{at}]") for at, child in enumerate(route.routes))
        return Node(**{**vars(node), "children": children})

    def _check_root(self, route: Route, place: str) -> None:
        if not route.receiver:
            self._problems.append(f"{place}.receiver: the root needs one, for what no other route takes")
        if route.matchers:
            self._problems.append(f"{place}.matchers: the root takes every alert and has none")
        if route.mute_time_intervals or route.active_time_intervals:
            self._problems.append(f"{place}: the root has no time intervals: put them into its routes")
        if route.continue_:
            self._problems.append(f"{place}.continue: nothing follows the root")

    def _matchers(self, route: Route, place: str) -> tuple[Matcher, ...]:
        try:
            return parse_all(route.matchers)
        except ValueError as error:
            self._problems.append(f"{place}.matchers: {error}")
            return ()

    def _group_by(self, route: Route, inherited: Node, place: str) -> tuple[str, ...] | None:
        # As in Alertmanager, an empty list says nothing.
        if not route.group_by:
            return inherited.group_by
        if _ALL in route.group_by:
            if len(route.group_by) > 1:
                self._problems.append(f'{place}.group_by: "..." stands alone')
            return None
        for name in route.group_by:
            if not is_label(name):
                self._problems.append(f"{place}.group_by: {name!r} is no label")
        if len(set(route.group_by)) < len(route.group_by):
            self._problems.append(f"{place}.group_by: a label stands twice")
        return tuple(sorted(set(route.group_by)))

    def _positive(self, given: float | None, inherited: int, place: str) -> int:
        if given == 0:
            self._problems.append(f"{place}: must not be 0")
        return _ns(given, inherited)


def _ns(given: float | None, inherited: int) -> int:
    return inherited if given is None else round(given * SECOND)


_DEFAULT = Node(
    number=-1, path="", depth=-1, receiver="", matchers=(), group_by=(),
    wait=30 * SECOND, interval=300 * SECOND, repeat=4 * 3_600 * SECOND, mute=(), active=(), go_on=False,
)  # fmt: skip


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _all(child)


def _find(node: Node, labels: Mapping[str, str]) -> list[Node]:
    if not matches(node.matchers, labels):
        return []
    found: list[Node] = []
    for child in node.children:
        ends = _find(child, labels)
        found += ends
        if ends and not child.go_on:
            break
    return found or [node]


def _explain(node: Node, labels: Mapping[str, str], chosen: set[int], not_asked: str) -> Iterator[Tried]:
    failed = next((matcher for matcher in node.matchers if not matcher.matches(labels)), None)
    if not_asked:
        why = not_asked
    elif failed is not None:
        value = labels.get(failed.label)
        why = f"{failed} does not fit: " + ("there is no such label" if value is None else f"it is {value!r}")
    else:
        why = "no route below fits" if node.number in chosen and node.children else ""
    fits = not not_asked and failed is None
    yield Tried(node, node.number in chosen, fits, why)
    below = "" if fits else (not_asked or "the route above does not fit")
    for child in node.children:
        yield from _explain(child, labels, chosen, below)
        if fits and not below and not child.go_on and _find(child, labels):
            below = f"{braced(child.matchers)} took the alert, without continue"
