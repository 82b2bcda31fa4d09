"""``tocsin routes``: where an alert would go, and why. Needs no server."""

from collections.abc import Iterator
from typing import Any

import click
from anyio import to_thread

from agents.clock import Clock
from agents.notification.routing.matching import parse_all
from agents.notification.routing.routing import Routing
from agents.notification.routing.tree import Node
from contracts.errors import ConfigError, NotFound
from contracts.instants import SECOND, from_iso, iso
from contracts.settings import Settings

from .options import Loaded, common, json_option
from .output import document, line


@click.group()
def routes() -> None:
    """Show the routes of alerts, and try them."""


@routes.command("show")
@common
@json_option
def show(loaded: Loaded, as_json: bool) -> None:
    """The tree of routes, with what each node has from those above it."""
    routing = _routing(loaded)
    if as_json:
        document([_described(node) for node in routing.tree.nodes])
        return
    for node in routing.tree.nodes:
        line(f"{_indented(node)} {_terms(node)}")


@routes.command("test")
@common
@json_option
@click.argument("labels")
@click.option("--at", help="At this time, as 2026-11-21T03:00:00Z, rather than now.")
def test(loaded: Loaded, as_json: bool, labels: str, at: str | None) -> None:
    """Where an alert with LABELS would go, and why: '{asset="pump-1", severity="critical"}'.

    Silences, inhibition and groups depend on other alerts, and are not looked at.
    """
    found = tried(_routing(loaded), _labels(labels), _instant(at))
    if as_json:
        document(found)
        return
    for node in found["nodes"]:
        mark = "→" if node["chosen"] else "·" if node["fits"] else "✗"
        line(f"{mark} {'  ' * node['depth']}{node['route']}  {node['why']}".rstrip())
    line("")
    for end in found["receivers"]:
        for text in _ends(end):
            line(text)


def _routing(loaded: Loaded) -> Routing:
    routing = Routing.of(loaded.settings.alerting, loaded.settings.data_dir)
    if routing is None:
        raise ConfigError(["alerting.route is not set"], mend="docs/routing.md shows one to begin with")
    return routing


def _labels(text: str) -> dict[str, str]:
    try:
        found = parse_all([text]) if text.strip("{} ") else ()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="LABELS") from error
    if other := [str(each) for each in found if each.operator != "="]:
        raise click.BadParameter(f"an alert has labels, not {other[0]}: write them with =", param_hint="LABELS")
    labels = {each.label: each.value for each in found}
    if len(labels) < len(found):
        raise click.BadParameter("a label has one value", param_hint="LABELS")
    return labels


def _instant(text: str | None) -> int:
    if text is None:
        return Clock.wall_ns()
    try:
        return from_iso(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from error


async def tried_of(settings: Settings, labels: dict[str, str], at: str = "") -> dict[str, Any]:
    """As ``tried``, by the routes of these settings and at an ISO instant, or now.

    Raises NotFound where there are no routes, ConfigError for wrong ones, and ValueError for what is no instant.
    """
    now = from_iso(at) if at else Clock.wall_ns()
    routing = await to_thread.run_sync(Routing.of, settings.alerting, settings.data_dir)
    if routing is None:
        raise NotFound("there are no routes", mend="Set alerting.route")
    return tried(routing, labels, now)


def tried(routing: Routing, labels: dict[str, str], now: int) -> dict[str, Any]:
    """Where an alert with these labels goes at a time (ns), and what became of every route."""
    nodes = [
        {"route": _own(each.node), "depth": each.node.depth, "chosen": each.chosen, "fits": each.fits, "why": each.why}
        for each in routing.tree.explain(labels)
    ]
    ends = [_end(routing, node, labels, now) for node in routing.tree.find(labels)]
    return {"labels": labels, "at": iso(now), "nodes": nodes, "receivers": ends}


def _end(routing: Routing, node: Node, labels: dict[str, str], now: int) -> dict[str, Any]:
    group = node.group(labels)
    return {
        **_described(node),
        "group": dict(zip(group[::2], group[1::2], strict=True)),
        "muted_by": list(_muted(routing, node, now)),
        "steps": [
            {"after_s": step.after, "tell": [_person(routing, name, now) for name in step.tell]}
            for step in routing.receivers[node.receiver].steps
        ],
    }


def _muted(routing: Routing, node: Node, now: int) -> Iterator[str]:
    """The time intervals that keep a route silent at this time."""
    yield from (name for name in node.mute if routing.intervals[name].contains(now))
    if node.active and not any(routing.intervals[name].contains(now) for name in node.active):
        yield f"not in {' or '.join(node.active)}"


def _person(routing: Routing, name: str, now: int) -> dict[str, str | None]:
    if name not in routing.rotas:
        return {"subscriber": name}
    return {"schedule": name, "subscriber": routing.rotas[name].at(now)}


def _own(node: Node) -> str:
    """The part of its path that is its own."""
    return "{" + ", ".join(map(str, node.matchers)) + "}" if node.depth else "all alerts"


def _described(node: Node) -> dict[str, Any]:
    return {
        "path": node.path,
        "receiver": node.receiver,
        "group_by": None if node.group_by is None else sorted(node.group_by),
        "group_wait_s": node.wait / SECOND,
        "group_interval_s": node.interval / SECOND,
        "repeat_interval_s": node.repeat / SECOND,
        "continue": node.go_on,
        "mute_time_intervals": list(node.mute),
        "active_time_intervals": list(node.active),
    }


def _indented(node: Node) -> str:
    return "  " * node.depth + _own(node)


def _terms(node: Node) -> str:
    by = "each alert" if node.group_by is None else ", ".join(sorted(node.group_by)) or "all together"
    parts = [
        f"→ {node.receiver}",
        f"grouped by {by}",
        f"wait {node.wait / SECOND:g} s, interval {node.interval / SECOND:g} s, repeat {node.repeat / SECOND:g} s",
        *(["continue"] if node.go_on else []),
        *([f"not in {', '.join(node.mute)}"] if node.mute else []),
        *([f"only in {', '.join(node.active)}"] if node.active else []),
    ]
    return " · ".join(parts)


def _ends(end: dict[str, Any]) -> Iterator[str]:
    group = ", ".join(f'{name}="{value}"' for name, value in end["group"].items()) or "all alerts of the route"
    yield f"receiver {end['receiver']}, grouped with {group}"
    if end["muted_by"]:
        yield f"  nobody is told at this time: {', '.join(end['muted_by'])}"
    for step in end["steps"]:
        when = f"after {step['after_s']:g} s without acknowledgement" if step["after_s"] else "at once"
        yield f"  {when}: {', '.join(map(_named, step['tell']))}"


def _named(person: dict[str, str | None]) -> str:
    who = person["subscriber"] or "nobody is on call"
    return f"{who} (on call by {person['schedule']})" if "schedule" in person else who
