"""The whole pipeline under load: acquire, validate, score, watch for drift, each with its commits.

    python -m bench.pipeline [--minutes 10] [--rate 300000] [--series 1000] [--json]
    python -m bench.pipeline --quick [--json]

A real embedded server, the shipped agents with their default settings in three processes, and a source that never waits
for its machines. First as fast as it goes, for half a minute; then for ``--minutes`` at ``--rate``, or at four fifths
of the former where that is less. Beside it the same job with FastStream and river. Progress goes to stderr.

    readings_per_s         readings that every task has committed, per second, while as many are offered as are taken
    per_processor_s        the same per second of processor time of all processes; other work on the machine hides less
    slowest_part           of the parts of about a second, the tenth that was slowest
    alert_p99_ms           from handing a reading to the source until its AnomalyDetected can be read, at alert_rate
    sustained              the same three at alert_rate, over all of that time
    vs_faststream_river    readings_per_s / the peer's; null where it is not installed
    memory                 resident MB of each process over both parts, and its slope: flat is less than 5 % or 10 MB
                           from the second quarter on; null where that is less than a minute. server_data is what the
                           server uses of its own
    holds                  the promises: 300,000 readings/s at 250 ms with flat memory; null where it does not show

The full run takes 13 minutes and has 1,000 series; --quick has 200, paces at a third, and gives figures of one noisy
minute.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio

from . import ours, peer

QUICK = ours.Plan(series=200, saturated_s=6.0, paced_s=5.0, most_s=20.0)
FULL = ours.Plan(series=1_000, saturated_s=30.0, paced_s=600.0, rate=300_000, rate_share=0.8, plant_every=50)
_PEER_S = {True: 2.0, False: 30.0}
PROMISED_RATE, PROMISED_P99_MS = 300_000, 250.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="in under 50 seconds")
    parser.add_argument("--minutes", type=float, default=FULL.paced_s / 60, help="at the fixed rate")
    parser.add_argument("--rate", type=float, default=FULL.rate, help="readings per second for that time")
    parser.add_argument("--series", type=int, default=FULL.series)
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")
    arguments = parser.parse_args()
    plan = replace(FULL, paced_s=60 * arguments.minutes, rate=arguments.rate, series=arguments.series)
    result = measured(QUICK if arguments.quick else plan, quick=arguments.quick)
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
    p99 = quantile(found.latencies, 0.99)
    sustained = speed(found.paced_slices, found.paced_s, found.paced_processor_s)
    flat = [each["flat"] for each in found.memory.values()]
    # The last reading of a part of a second may be committed in the next.
    kept_up = None if quick else sustained["readings_per_s"] >= 0.99 * PROMISED_RATE
    return {
        **speed(found.slices, found.saturated_s, found.processor_s),
        "alert_p99_ms": p99,
        "alert_p50_ms": quantile(found.latencies, 0.5),
        "alert_most_ms": quantile(found.latencies, 1.0),
        "alert_rate": round(found.alert_rate),
        "alerts": len(found.latencies),
        "sustained": {**sustained, "seconds": round(found.paced_s)},
        "vs_faststream_river": round(found.readings_per_s / theirs, 1) if theirs else None,
        "faststream_river_readings_per_s": round(theirs) if theirs else None,
        "memory": found.memory,
        "holds": {
            "rate": kept_up,
            "alerts": None if p99 is None else p99 < PROMISED_P99_MS,
            "memory": None if None in flat or not flat else all(flat),
        },
        "processor_s": {name: round(value, 1) for name, value in found.processor_s.items()},
        "sustained_processor_s": {name: round(value, 1) for name, value in found.paced_processor_s.items()},
        "series": plan.series,
        "saturated_s": round(found.saturated_s, 1),
        "quick": quick,
        "machine": {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)},
    }


def speed(slices: list[float], seconds: float, spent: dict[str, float]) -> dict[str, Any]:
    """Readings per second, the same per second of processor time, and the tenth of the parts that was slowest."""
    rate, total = sum(slices) / max(1, len(slices)), sum(spent.values())
    return {
        "readings_per_s": round(rate),
        "per_processor_s": round(rate * seconds / total) if total else None,
        "slowest_part": quantile(sorted(slices), 0.1),
    }


def quantile(ordered: list[float], share: float) -> float | None:
    """The value that ``share`` of all are not above; None when there is none."""
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 1) if ordered else None


def table(result: dict[str, Any]) -> str:
    return "\n".join(f"{name:<32} {value}" for name, value in result.items())


if __name__ == "__main__":
    sys.exit(main())
