"""``python -m bench.alerting.hanging``: what a subscriber that never answers costs the others.

Rounds without and with one take turns, in one run of the service each; what counts is the ratio of their p99.
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

from .ours import configuration, service
from .plant import Plant
from .receiver import HANGS, Receiver

_LIMIT = 1.05


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--healthy", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rounds = [
        {name: _round(given, number, hanging=name == "with") for name in ("without", "with")}
        for number in range(given.rounds)
    ]
    ratio = statistics.median(each["with"]["p99_ms"] / each["without"]["p99_ms"] for each in rounds)
    result = {"rounds": rounds, "p99_ratio": round(ratio, 3), "limit": _LIMIT}
    print(json.dumps(result, indent=2))
    return 0 if ratio < _LIMIT else 1


def _round(given: argparse.Namespace, number: int, *, hanging: bool) -> dict[str, Any]:
    plant = Plant(100, given.seconds, seed=number, faults=80)
    (push,) = free_ports(1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receiver = stack.enter_context(Receiver())
        base = f"http://127.0.0.1:{receiver.port}"
        hooks = {f"h{one}": f"{base}/h{one}" for one in range(given.healthy)}
        if hanging:
            hooks["stuck"] = f"{base}{HANGS}"
        settings = configuration(push, hooks)
        for one in settings["alerting"]["subscribers"].values():
            one["events"] = ["all"]
        stack.enter_context(service(folder, settings, push))
        asyncio.run(plant.tell(f"http://127.0.0.1:{push}/api/v1/write"))
        took = [
            (at - plant.began[alert["labels"]["asset"]]) * 1_000
            for at, path, body in receiver.heard
            for alert in body["data"]["alerts"]
            if path != HANGS and alert["state"] == "firing" and alert["labels"]["asset"] in plant.began
        ]
    p50, p99 = np.percentile(took, [50, 99])
    return {"messages": len(took), "p50_ms": round(float(p50), 1), "p99_ms": round(float(p99), 1)}


if __name__ == "__main__":
    sys.exit(main())
