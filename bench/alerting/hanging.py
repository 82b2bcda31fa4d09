"""``python -m bench.alerting.hanging``: what a subscriber that never answers costs the others.

Three services run side by side and are pushed the same readings. Each tells five webhooks; one tells nobody else, one
a sixth that answers, one a sixth that never does. What the machine does meanwhile happens to all, so the ratios of
their p99 over all rounds are what counts; the time of the processors that each took stands beside, as they take that
from each other.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from tests.clusters import free_ports

from .ours import configuration, processor_s, service
from .plant import Plant
from .receiver import HANGS, Receiver

_LIMIT = 1.05
#: Of a round somebody must wait for the one that hangs, and fewer messages than these have no p99.
_LEAST_HELD, _LEAST_MESSAGES = 0.5, 300
_SIDES = ("none", "answers", "hangs")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--assets", type=int, default=200)
    parser.add_argument("--faults", type=int, default=150)
    parser.add_argument("--healthy", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rounds, took = [], {side: list[float]() for side in _SIDES}
    for number in range(given.rounds):
        rounds.append(_round(given, number, took))
        if not given.json:
            print(json.dumps(rounds[-1]), flush=True)
    found = {side: _summary(took[side]) for side in _SIDES}
    ratios = {
        f"{name}_to_{side}": round(found["hangs"][name] / found[side][name], 3)
        for name in ("p50_ms", "p99_ms")
        for side in ("none", "answers")
    }
    medians = {
        f"median_p99_to_{side}": round(statistics.median(_p99(each, "hangs") / _p99(each, side) for each in rounds), 3)
        for side in ("none", "answers")
    }
    result = {**found, **ratios, **medians, "limit": _LIMIT}
    print(json.dumps({"rounds": rounds, **result} if given.json else result))
    return 0 if ratios["p99_ms_to_none"] < _LIMIT else 1


def _p99(found: dict[str, Any], side: str) -> float:
    return float(found[side]["p99_ms"])


def _round(given: argparse.Namespace, number: int, took: dict[str, list[float]]) -> dict[str, Any]:
    """What each side took to tell, in one run; ``took`` is given each message of it."""
    plant = Plant(given.assets, given.seconds, seed=number, faults=given.faults, period_s=0.4)
    ports = dict(zip(_SIDES, free_ports(len(_SIDES)), strict=True))
    # What comes first, begun or pushed to, changes from round to round.
    order = [_SIDES[(number + place) % len(_SIDES)] for place in range(len(_SIDES))]
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        running = {}
        for side in order:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            settings = configuration(ports[side], _hooks(given.healthy, receiver.port, side))
            for one in settings["alerting"]["subscribers"].values():
                one["events"] = ["all"]
            running[side] = stack.enter_context(service(folder, settings, ports[side]))
        before = {side: processor_s(process.pid) for side, process in running.items()}
        asyncio.run(plant.tell(*(f"http://127.0.0.1:{ports[side]}/api/v1/write" for side in order)))
        found = {}
        for side, process in running.items():
            messages = _took(plant, receiver, f"/to-{side}/")
            took[side] += messages
            found[side] = _summary(messages)
            found[side]["processor_s"] = round(processor_s(process.pid) - before[side], 1)
    held = sum(until - since for since, until in receiver.held) / given.seconds
    least = min(found[side]["messages"] for side in _SIDES)
    if held < _LEAST_HELD or least < _LEAST_MESSAGES:
        raise SystemExit(f"shows nothing: {least} messages, and the one that hangs was waited for {held:.0%}")
    return {**found, "tries": len(receiver.held), "held": round(held, 2)}


def _hooks(healthy: int, port: int, side: str) -> dict[str, str]:
    hooks = {f"h{one}": f"http://127.0.0.1:{port}/to-{side}/h{one}" for one in range(healthy)}
    sixth = {"answers": f"http://127.0.0.1:{port}/sixth", "hangs": f"http://127.0.0.1:{port}{HANGS}"}
    return hooks | ({"sixth": sixth[side]} if side in sixth else {})


def _took(plant: Plant, receiver: Receiver, path: str) -> list[float]:
    """Milliseconds from the first reading that was wrong to each message that tells of it."""
    return [
        (at - plant.began[alert["labels"]["asset"]]) * 1_000
        for at, where, body in receiver.heard
        for alert in body["data"]["alerts"]
        if where.startswith(path) and alert["state"] == "firing" and alert["labels"]["asset"] in plant.began
    ]


def _summary(took: list[float]) -> dict[str, Any]:
    p50, p99 = np.percentile(took, [50, 99]) if took else (float("nan"), float("nan"))
    return {"messages": len(took), "p50_ms": round(float(p50), 1), "p99_ms": round(float(p99), 1)}


if __name__ == "__main__":
    sys.exit(main())
