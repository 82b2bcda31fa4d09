"""The bus beside what Python can get out of the same server, in one run.

    python -m bench.bus [--quick] [--json] [--history FILE]

Raw is redis-py as it is used at its best, and FastStream a peer; see ``raw`` and ``peers``. Rounds are interleaved and
medians taken, because the machine's speed drifts. All but the last two are ratios of events per second.

    publish_awaited_vs_raw  events published one by one by 64 tasks, each awaited / pipelined XADD of the same JSON
    publish_script_vs_raw   500 entries of one event in a commit / pipelined XADD of the same JSON
    ordered_vs_raw          XREAD, digest, typed events, handler / XREADGROUP + XACK without decoding
    exactly_once_vs_raw     the same, and outputs and position in one commit / XREADGROUP + XACK without decoding
    packed_vs_raw           100 typed events in an entry, read, decoded, handled / XREADGROUP + XACK without decoding
    columns_vs_raw_columns  256 readings in an entry, read and decoded / XREADGROUP + XACK, pydantic header, columns
    columns_readings_per_s  from arrays to the log, and from there to arrays again
    vs_faststream           one event an entry: the ordered lane / FastStream's consumer of single messages
    vs_faststream_batch     the same / FastStream's consumer of batches
    hop_p50_vs_raw          time from one process to another at 1,000 events/s, ours / raw
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bus.embedded import EmbeddedServer

from . import peers, report
from .latency import hops
from .rounds import measured
from .workload import bodies

HISTORY = Path(__file__).resolve().parents[1] / "history.jsonl"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the ratios alone, in under 50 seconds")
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")
    parser.add_argument("--history", type=Path, default=HISTORY, help="file that gets a line for each run")
    arguments = parser.parse_args()
    if not peers.installed():
        print("FastStream is not installed: vs_faststream is null", file=sys.stderr)
    result = _measured(quick=arguments.quick)
    report.remember(arguments.history, result)
    print(json.dumps(result) if arguments.json else report.table(result))
    return 0


def _measured(*, quick: bool) -> dict[str, Any]:
    import uvloop

    rounds, events, entries, turns, within_s = (3, 10_000, 1_000, 6, 20) if quick else (7, 30_000, 3_000, 20, 90)
    with tempfile.TemporaryDirectory(prefix="toc-") as folder:
        with EmbeddedServer(Path(folder) / "r") as server:
            samples = uvloop.run(measured(server.url, rounds, events, entries, within_s=within_s))
            print("latency", file=sys.stderr, flush=True)
            latencies = uvloop.run(hops(server.url, turns))
            limits = _limits(server.url, 100_000 if quick else 1_000_000)
        result = {
            **report.ratios(samples, latencies),
            "by_processor_time": report.by_processor(samples),
            "quick": quick,
            "machine": report.machine(),
            "limits": limits,
            "details": report.details(samples, latencies),
        }
        if not quick:
            from .growth import growth

            with EmbeddedServer(Path(folder) / "g", maxmemory_mb=4096) as server:
                result["growth"] = uvloop.run(growth(server.url))
    return result


def _limits(url: str, count: int) -> dict[str, int]:
    """What the server does when nobody needs Python: redis-benchmark with the same events."""
    program = shutil.which("redis-benchmark")
    if program is None:
        print("redis-benchmark is not installed (Debian: redis-tools)", file=sys.stderr)
        return {}
    out = {}
    for pipelined in (1, 100):
        print(f"redis-benchmark -P {pipelined}", file=sys.stderr, flush=True)
        number = count if pipelined > 1 else count // 5
        arguments = ["-s", url.removeprefix("unix://"), "-n", str(number), "-c", "50", "-P", str(pipelined), "--csv"]
        command = [program, *arguments, "XADD", "limit", "*", "d", bodies(1)[0].decode()]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        # The command itself stands in the first column, its quotes unescaped: count from the right.
        out[f"redis-benchmark -P {pipelined}"] = round(float(said.strip().splitlines()[-1].rsplit('","', 7)[1]))
    return out


if __name__ == "__main__":
    sys.exit(main())
