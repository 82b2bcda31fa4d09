"""The whole pipeline under load: acquire, validate, score, watch for drift, each with its commits.

    python -m bench.pipeline [--quick] [--json]

A real embedded server, the shipped agents with their default settings in three processes, and a source that never waits
for its machines. First as fast as it goes, then at a third of that rate. Beside it the same job with FastStream and
river.

    readings_per_s         readings that every task has committed, per second, while as many are offered as are taken
    per_processor_s        the same per second of processor time of all processes; other work on the machine hides less
    alert_p99_ms           from handing a reading to the source until its AnomalyDetected can be read, at alert_rate
    vs_faststream_river    readings_per_s / the peer's; null where it is not installed
    slowest_part           of the parts of about a second, the tenth that was slowest
    memory_mb              resident memory of each process, from the beginning to the end

The full run takes 12 minutes and has 1,000 series; --quick has 200, and figures of one noisy minute.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio

from . import ours, peer

QUICK = ours.Plan(series=200, saturated_s=6.0, paced_s=5.0, most_s=24.0)
FULL = ours.Plan(series=1_000, saturated_s=600.0, paced_s=60.0)
_PEER_S = {True: 3.0, False: 60.0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="in under 50 seconds")
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")
    arguments = parser.parse_args()
    result = measured(QUICK if arguments.quick else FULL, quick=arguments.quick)
    print(json.dumps(result) if arguments.json else table(result))
    return 0


def measured(plan: ours.Plan, *, quick: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="toc-") as name:
        folder = Path(name)
        print("the pipeline", file=sys.stderr, flush=True)
        with ours.service(folder, plan) as (url, pids):
            found = anyio.run(ours.measured, url, pids, plan, backend_options={"use_uvloop": True})
        theirs: float | None = None
        if peer.installed():
            print("FastStream and river", file=sys.stderr, flush=True)
            theirs = peer.measured(folder, _PEER_S[quick])
        else:
            print("FastStream or river is not installed: vs_faststream_river is null", file=sys.stderr)
    return as_result(found, theirs, plan, quick=quick)


def as_result(found: ours.Measured, theirs: float | None, plan: ours.Plan, *, quick: bool) -> dict[str, Any]:
    spent = sum(found.processor_s.values())
    slices = sorted(found.slices)
    return {
        "readings_per_s": round(found.readings_per_s),
        "per_processor_s": round(found.readings_per_s * found.saturated_s / spent) if spent else None,
        "alert_p99_ms": quantile(found.latencies, 0.99),
        "alert_p50_ms": quantile(found.latencies, 0.5),
        "alert_rate": round(found.alert_rate),
        "alerts": len(found.latencies),
        "vs_faststream_river": round(found.readings_per_s / theirs, 1) if theirs else None,
        "faststream_river_readings_per_s": round(theirs) if theirs else None,
        "slowest_part": quantile(slices, 0.1),
        "memory_mb": {name: [round(mb) for mb in values] for name, values in found.memory.items()},
        "processor_s": {name: round(value, 1) for name, value in found.processor_s.items()},
        "series": plan.series,
        "saturated_s": round(found.saturated_s, 1),
        "quick": quick,
        "machine": {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)},
    }


def quantile(ordered: list[float], share: float) -> float | None:
    """The value that ``share`` of all are not above; None when there is none."""
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 1) if ordered else None


def table(result: dict[str, Any]) -> str:
    return "\n".join(f"{name:<32} {value}" for name, value in result.items())


if __name__ == "__main__":
    sys.exit(main())
