"""Random routes, rules, silences and lives of alerts, small enough that some seconds decide everything.

A scenario is kept only where its outcome does not hang on a fifth of a second: the same decisions must come out when
everything in it happens a little earlier or later.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

from tests.integration.alertmanager.decisions import Action, Notice, Run, decided

#: How much earlier or later something may happen.
MARGIN = 0.2
_TRIES = 400
_JITTERS = 24
#: Notifications without which a scenario says too little.
_FEWEST = 3
#: How exactly it is known beforehand when a server will have started.
_START = 3.0
_SEVERITIES = ("critical", "warning", "info")
_SITES = ("north", "south")
_ASSETS = ("pump-1", "pump-2", "fan-1")
_NAMES = ("vibration", "heat")
_GROUPINGS = (["alertname"], ["site"], ["asset", "site"], ["severity"], ["..."], ["site", "nothing"])
_WAITS = ("0s", "500ms", "1500ms", "2500ms")
_INTERVALS = ("2s", "3s", "4s")
_REPEATS = ("3300ms", "5300ms", "7700ms", "1h")
_MATCHERS = (
    'severity="critical"', 'severity=~"critical|warning"', 'severity!="info"', 'site="north"', 'asset=~"pump-.*"',
    'asset!~"pump-[12]"', 'nothing=""', 'nothing!="x"', 'alertname="heat"', 'asset=~"pump"', 'site=~"(?i)NORTH"',
)  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """One configuration in Alertmanager's form, and what happens in it, in seconds since its start."""

    name: str
    route: dict[str, Any]
    receivers: dict[str, bool]
    """name -> send_resolved"""
    inhibit_rules: list[dict[str, Any]]
    actions: list[Action] = field(default_factory=list)


def make(seed: int, name: str, run: Run) -> Scenario:
    """A scenario whose outcome does not hang on details."""
    for attempt in range(_TRIES):
        rng = random.Random(f"{seed}/{name}/{attempt}")
        scenario = _drawn(rng, name, run.length)
        if scenario.actions and is_decided(scenario, run, _START):
            return scenario
    raise AssertionError(f"no scenario {name} of seed {seed} is robust")


def configuration(scenarios: list[Scenario], intervals: list[dict[str, Any]]) -> dict[str, Any]:
    """The routes of all scenarios below one root, in words that both sides read."""
    return {
        "route": {"receiver": "nobody", "routes": [scenario.route for scenario in scenarios]},
        "inhibit_rules": [rule for scenario in scenarios for rule in scenario.inhibit_rules],
        "time_intervals": intervals,
    }


def receivers(scenarios: list[Scenario]) -> dict[str, bool]:
    """All receivers, and whether they hear of the end."""
    return {"nobody": False} | {name: hears for scenario in scenarios for name, hears in scenario.receivers.items()}


def is_decided(scenario: Scenario, run: Run, within: float = MARGIN) -> bool:
    """Whether the outcome is the same if everything in it happened a little earlier or later, and tells something.

    ``within``: how exactly it is known when the routes were loaded.
    """
    rng = random.Random(scenario.name)
    config, known = configuration([scenario], run.intervals), receivers([scenario])
    first = decided(config, known, scenario.actions, run)
    for _ in range(_JITTERS):
        begun = run.begun + rng.choice((-within, 0.0, within))
        moved = decided(config, known, _moved(scenario.actions, rng), replace(run, begun=begun))
        if not _alike(first, moved, run.length):
            return False
    return len(first) >= _FEWEST


def _moved(actions: list[Action], rng: random.Random) -> list[Action]:
    return sorted(
        (replace(action, at=action.at + rng.choice((-MARGIN, -MARGIN / 2, MARGIN / 2, MARGIN))) for action in actions),
        key=lambda action: action.at,
    )


def _alike(one: list[Notice], other: list[Notice], until: float) -> bool:
    mine, theirs = _by_group(one, until), _by_group(other, until)
    return [what for _, what in mine] == [what for _, what in theirs] and all(
        abs(a - b) < 4 * MARGIN for (a, _), (b, _) in zip(mine, theirs, strict=True)
    )


def _by_group(notices: list[Notice], until: float) -> list[tuple[float, tuple[str, ...]]]:
    # What comes at the very end may come after it.
    kept = [notice for notice in notices if notice.at < until - 4 * MARGIN]
    return [
        (notice.at, (notice.receiver, notice.group, " ".join(sorted(notice.firing)), " ".join(sorted(notice.resolved))))
        for notice in sorted(kept, key=lambda notice: (notice.receiver, notice.group, notice.at))
    ]


def _drawn(rng: random.Random, name: str, length: float) -> Scenario:
    names = [f"{name}-{at}" for at in range(rng.randint(1, 4))]
    top = _route(rng, names, 0) | {"matchers": [f'scenario="{name}"'], "receiver": names[0], "continue": False}
    top.setdefault("group_wait", rng.choice(_WAITS))
    top.setdefault("group_interval", rng.choice(_INTERVALS))
    top.setdefault("repeat_interval", rng.choice(_REPEATS))
    return Scenario(
        name,
        top,
        {receiver: rng.random() < 0.75 for receiver in names},
        [_rule(rng, name) for _ in range(rng.choice((0, 0, 1, 2)))],
        sorted(_happenings(rng, name, length), key=lambda action: action.at),
    )


def _route(rng: random.Random, names: list[str], depth: int) -> dict[str, Any]:
    route: dict[str, Any] = {"continue": rng.random() < 0.4}
    if rng.random() < 0.7:
        route["receiver"] = rng.choice(names)
    if depth:
        route["matchers"] = rng.sample(_MATCHERS, rng.choice((1, 1, 2)))
        if rng.random() < 0.15:
            route["mute_time_intervals"] = [rng.choice(("always", "never", "before", "after"))]
        if rng.random() < 0.15:
            route["active_time_intervals"] = rng.sample(("always", "never", "before", "after"), 2)
    if depth == 0 or rng.random() < 0.5:
        route["group_by"] = rng.choice(_GROUPINGS)
    for key, values in (("group_wait", _WAITS), ("group_interval", _INTERVALS), ("repeat_interval", _REPEATS)):
        if rng.random() < 0.4:
            route[key] = rng.choice(values)
    if depth < 3:
        children = rng.choice((0, 0, 1, 2) if depth else (0, 1, 2, 3))
        route["routes"] = [_route(rng, names, depth + 1) for _ in range(children)]
    return route


def _rule(rng: random.Random, name: str) -> dict[str, Any]:
    return {
        "source_matchers": [f'scenario="{name}"', rng.choice(_MATCHERS)],
        "target_matchers": [f'scenario="{name}"', rng.choice(_MATCHERS)],
        "equal": rng.choice(([], ["site"], ["asset"], ["asset", "nothing"])),
    }


def _happenings(rng: random.Random, name: str, length: float) -> list[Action]:
    actions: list[Action] = []
    seen = set()
    for _ in range(rng.randint(1, 6)):
        labels = {
            "scenario": name, "alertname": rng.choice(_NAMES), "severity": rng.choice(_SEVERITIES),
            "site": rng.choice(_SITES), "asset": rng.choice(_ASSETS),
        }  # fmt: skip
        if tuple(labels.values()) not in seen:
            seen.add(tuple(labels.values()))
            actions += _life(rng, labels, length)
    for at in range(rng.choice((0, 0, 0, 1, 2))):
        actions += _silence(rng, f"{name}-silence-{at}", name, length)
    return actions


def _life(rng: random.Random, labels: dict[str, str], length: float) -> list[Action]:
    """Fires, is sent again, ends, fires again: at whole and half seconds."""
    actions = []
    at = rng.randint(0, int(length)) / 2
    old = rng.choice((0.0, 0.0, 0.0, 60.0))
    firing = rng.random() < 0.95
    while at < length - 1:
        if firing:
            actions.append(Action(at, "fire", labels=labels, starts=at - old))
            for _ in range(rng.choice((0, 0, 1))):
                at += rng.randint(1, 6) / 2
                actions.append(Action(at, "fire", labels=labels, starts=actions[-1].starts))
        elif rng.random() < 0.85:
            actions.append(Action(at, "resolve", labels=labels, starts=actions[-1].starts if actions else at - 1))
        else:
            break
        firing, old = not firing, 0.0
        at += rng.choice((1, 1.5, 2, 3, 4, 6, 8, 12))
    return [action for action in actions if action.at < length]


def _silence(rng: random.Random, silence: str, name: str, length: float) -> list[Action]:
    begins = rng.randint(0, int(length)) / 2 + 0.25
    ends = begins + rng.choice((2, 4, 6, 10, 100))
    matchers = (f'scenario="{name}"', rng.choice(_MATCHERS))
    actions = [Action(begins, "silence", silence=silence, matchers=matchers, ends=ends)]
    if rng.random() < 0.3:
        actions.append(Action(begins + rng.randint(1, 10), "unsilence", silence=silence))
    return [action for action in actions if action.at < length]
