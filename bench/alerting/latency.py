"""``python -m bench.alerting.latency``: from a reading to the webhook that tells of it, beside Prometheus.

Both see the same 1,000 readings a second at the same time, have the same limit, and tell the same receiver at once
(``group_wait`` 0). Prometheus looks every second, which is as often as is usual at most. Absolute times mean little on
a shared machine: the ratio is what counts.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from tests.clusters import free_ports

from .ours import configuration, service
from .peer import BINARIES, exporter, watching
from .plant import Plant
from .receiver import Receiver

_ROUTE = {"receiver": "hook", "group_by": ["asset"], "group_wait": 0, "group_interval": 1, "repeat_interval": "4h"}
_SETTLE_S = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--faults", type=int, default=90)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if missing := [name for name in BINARIES if shutil.which(name) is None]:
        print(f"needs {' and '.join(missing)} (apt-get install prometheus prometheus-alertmanager)", file=sys.stderr)
        return os.EX_UNAVAILABLE
    result = measured(Plant(100, given.seconds, given.seed, given.faults))
    print(json.dumps(result, indent=2) if given.json else told(result))
    return 0 if result["tocsin"]["missed"] == 0 else 1


def measured(plant: Plant) -> dict[str, Any]:
    """Both sides in one run."""
    push, prometheus, alertmanager = free_ports(3)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receiver = stack.enter_context(Receiver())
        hooks = {"hook": f"http://127.0.0.1:{receiver.port}/tocsin"}
        stack.enter_context(service(folder, configuration(push, hooks, route=_ROUTE), push))
        gauges = stack.enter_context(exporter(plant.values))
        peer = folder / "peer"
        peer.mkdir()
        hook = f"http://127.0.0.1:{receiver.port}/prometheus"
        stack.enter_context(watching(peer, gauges, hook, (prometheus, alertmanager)))
        asyncio.run(plant.tell(f"http://127.0.0.1:{push}/api/v1/write"))
        time.sleep(_SETTLE_S)
        ours, theirs = delays(plant, receiver, "/tocsin"), delays(plant, receiver, "/prometheus")
    return {
        "readings_per_s": round(plant.assets / plant.period_s),
        "refused_pushes": plant.refused,
        "tocsin": ours,
        "prometheus": theirs,
        "p50_ratio": round(theirs["p50_ms"] / ours["p50_ms"], 1),
        "p99_ratio": round(theirs["p99_ms"] / ours["p99_ms"], 1),
    }


def delays(plant: Plant, receiver: Receiver, path: str) -> dict[str, Any]:
    """From the push of the first reading that was wrong to the first message that tells of it."""
    first: dict[str, float] = {}
    for at, where, body in receiver.heard:
        for alert in (body.get("data") or body).get("alerts", ()) if where == path else ():
            if alert.get("state", alert.get("status")) == "firing":
                first.setdefault(alert["labels"]["asset"], at)
    took = [(first[name] - began) * 1_000 for name, began in plant.began.items() if name in first]
    p50, p99 = np.percentile(took, [50, 99]) if took else (float("nan"), float("nan"))
    return {
        "told": len(took),
        "missed": len(plant.began) - len(took),
        "p50_ms": round(float(p50), 1),
        "p99_ms": round(float(p99), 1),
    }


def told(result: dict[str, Any]) -> str:
    """For people."""
    lines = [f"{result['readings_per_s']:,} readings/s, from the reading to the webhook:"]
    for name in ("tocsin", "prometheus"):
        side = result[name]
        lines.append(
            f"  {name:<11} p50 {side['p50_ms']:>8,.1f} ms   p99 {side['p99_ms']:>8,.1f} ms   "
            f"{side['told']} told, {side['missed']} missed"
        )
    return "\n".join([*lines, f"  {result['p50_ratio']} times sooner (p50), {result['p99_ratio']} times (p99)"])


if __name__ == "__main__":
    sys.exit(main())
