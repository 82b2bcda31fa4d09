"""Plays scenarios to a real Alertmanager, in real time, and compares what it tells with what we would tell."""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from agents.notification.routing.matching import parse
from tests.integration.alertmanager.decisions import Action, Notice, Run, decided
from tests.integration.alertmanager.scenarios import (
    MARGIN,
    Scenario,
    configuration,
    is_decided,
    make,
    receivers,
)
from tests.integration.alertmanager.server import Alertmanager, running

#: How far apart the same notification may be on both sides: the real one goes through a server and a network.
TOLERANCE = 0.9
#: From now until a scenario begins that has to wait for a minute.
_LEAD = 10.0
#: From now until the server has loaded its configuration, about; and as much again for each scenario that is made.
_STARTUP, _EACH = 2.0, 0.08
_HOUR = 3_600.0


@dataclass(frozen=True)
class Played:
    """What was done when, and what Alertmanager made of it."""

    run: Run
    scenarios: list[Scenario]
    notices: list[Notice]

    def ours(self) -> list[Notice]:
        """What we make of the same, at the times at which it happened."""
        actions = sorted((one for scenario in self.scenarios for one in scenario.actions), key=lambda one: one.at)
        config = configuration(self.scenarios, self.run.intervals)
        return decided(config, receivers(self.scenarios), actions, self.run)

    def undecided(self) -> set[str]:
        """Scenarios whose outcome hangs on details at the times at which they really happened."""
        return {one.name for one in self.scenarios if not is_decided(one, self.run)}

    def without(self, names: set[str]) -> Played:
        """The same without some of the scenarios."""
        kept = [one for one in self.scenarios if one.name not in names]
        notices = [notice for notice in self.notices if _scenario(notice.receiver) not in names]
        return replace(self, scenarios=kept, notices=notices)

    def differences(self) -> dict[str, str]:
        """Scenario -> where the two sides differ first."""
        mine, theirs = _by_group(self.ours()), _by_group(self.notices)
        found: dict[str, str] = {}
        for key in sorted(mine.keys() | theirs.keys()):
            why = _difference(mine.get(key, []), theirs.get(key, []), self.run.length)
            if why:
                found.setdefault(_scenario(key[0]), f"{key}: {why}")
        return found


def play(folder: Path, seed: int, names: Iterable[str], length: float, boundary: bool = False) -> Played:
    """Make scenarios of these names and play them side by side, for so many seconds.

    ``boundary``: wait until a minute, and with it an interval, ends in the middle.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    origin = time.time() + _LEAD
    if boundary:
        origin += (-origin - length / 2) % 60
    wanted = list(names)
    begun = time.time() + _STARTUP + _EACH * len(wanted) - origin
    run = Run(origin, begun, length, _intervals(origin, length))
    scenarios = [make(seed, name, run) for name in wanted]
    with running(folder, configuration(scenarios, run.intervals), receivers(scenarios)) as server:
        if not boundary:
            origin = time.time() + 0.3
        run = replace(run, origin=origin, begun=server.began - origin)
        done = _act(server, [action for scenario in scenarios for action in scenario.actions], origin)
        time.sleep(max(0.0, origin + length - time.time()))
        notices = server.notices(origin)
    by_scenario: dict[str, list[Action]] = defaultdict(list)
    for action in done:
        by_scenario[action.labels.get("scenario", "") or action.silence.split("-")[0]].append(action)
    happened = [replace(scenario, actions=by_scenario[scenario.name]) for scenario in scenarios]
    return Played(run, happened, notices)


def _act(server: Alertmanager, actions: list[Action], origin: float) -> list[Action]:
    """Do everything when it is due; with the times at which it was done."""
    done: list[Action] = []
    silences: dict[str, str] = {}
    for at, group in groupby(sorted(actions, key=lambda action: action.at), key=lambda action: action.at):
        together = list(group)
        time.sleep(max(0.0, origin + at - time.time()))
        alerts = [action for action in together if action.kind in ("fire", "resolve")]
        if alerts:
            before = time.time()
            server.client.post(
                "/api/v2/alerts", json=[_alert(action, origin, before) for action in alerts]
            ).raise_for_status()
            middle = (before + time.time()) / 2 - origin
            done += [replace(action, at=middle) for action in alerts]
        for action in together:
            if action.kind not in ("fire", "resolve"):
                done.append(_silence(server, action, silences, origin))
    return sorted(done, key=lambda action: action.at)


def _alert(action: Action, origin: float, now: float) -> dict[str, Any]:
    ends = now + _HOUR if action.kind == "fire" else max(now, origin + action.starts + 0.001)
    return {"labels": dict(action.labels), "startsAt": _iso(origin + action.starts), "endsAt": _iso(ends)}


def _silence(server: Alertmanager, action: Action, silences: dict[str, str], origin: float) -> Action:
    before = time.time()
    if action.kind == "silence":
        parsed = [parse(text) for text in action.matchers]
        body = {
            "matchers": [
                {"name": m.label, "value": m.value, "isRegex": "~" in m.operator, "isEqual": m.operator[0] == "="}
                for m in parsed
            ],
            "startsAt": _iso(before),
            "endsAt": _iso(origin + action.ends),
            "createdBy": "test",
            "comment": action.silence,
        }
        answer = server.client.post("/api/v2/silences", json=body).raise_for_status()
        silences[action.silence] = answer.json()["silenceID"]
    else:
        # One that has ended by itself cannot be ended: 500.
        server.client.delete(f"/api/v2/silence/{silences[action.silence]}")
    return replace(action, at=(before + time.time()) / 2 - origin)


def _intervals(origin: float, length: float) -> list[dict[str, Any]]:
    """Always, never, and what ends or begins with the minute in the middle."""
    middle = datetime.fromtimestamp(origin + length / 2, UTC) + timedelta(seconds=30)
    edge = middle.replace(second=0, microsecond=0)
    text = edge.strftime("%H:%M") if edge.hour or edge.minute else "00:01"

    def named(name: str, **fits: Any) -> dict[str, Any]:
        return {"name": name, "time_intervals": [fits]}

    return [
        named("always", times=[{"start_time": "00:00", "end_time": "24:00"}]),
        named("never", years=["1999"]),
        named("before", times=[{"start_time": "00:00", "end_time": text}]),
        named("after", times=[{"start_time": text, "end_time": "24:00"}]),
    ]


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _scenario(receiver: str) -> str:
    return receiver.split("-")[0]


def _by_group(notices: list[Notice]) -> dict[tuple[str, str], list[Notice]]:
    found: dict[tuple[str, str], list[Notice]] = defaultdict(list)
    for notice in sorted(notices, key=lambda notice: notice.at):
        found[notice.receiver, notice.group].append(notice)
    return found


def _difference(ours: list[Notice], theirs: list[Notice], until: float) -> str:
    for mine, real in zip(ours, theirs, strict=False):
        if (mine.firing, mine.resolved) != (real.firing, real.resolved) or abs(mine.at - real.at) > TOLERANCE:
            return f"we tell {_shown(mine)}; Alertmanager {_shown(real)}"
    # What one side tells at the very end, the other may tell after it.
    rest = [*ours[len(theirs) :], *theirs[len(ours) :]]
    if all(notice.at > until - TOLERANCE - MARGIN for notice in rest):
        return ""
    return f"we tell {[*map(_shown, ours)]}; Alertmanager {[*map(_shown, theirs)]}"


def _shown(notice: Notice) -> str:
    return f"at {notice.at:.2f} firing {sorted(notice.firing)} resolved {sorted(notice.resolved)}"
