"""``make bench``: every benchmark here, one after the other, each in a process of its own.

Absolute times mean nothing on a shared machine: each benchmark prints its limit and its peers from the same run.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Module, arguments, and whether it needs the recorded data.
BENCHES: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    ("bench.bus", ("--quick",), False),
    ("bench.detectors", (), False),
    ("bench.features", (), False),
    ("bench.training", (), False),
    ("bench.pipeline", ("--quick",), False),
    ("bench.sse", ("--subscribers", "200", "--events", "50"), False),
    ("bench.alerting.latency", ("--seconds", "40", "--faults", "40"), False),
    ("bench.alerting.storm", ("--alerts", "10000", "--seconds", "20", "--followed", "2000"), False),
    ("bench.lineage", ("--alerts", "100000"), False),
    ("bench.page", ("--seconds", "10"), False),
    ("bench.bearings", ("--seeds", "5"), False),
    ("bench.calibration", (), False),
    ("bench.nab", (), True),
    ("bench.skab", (), True),
    ("bench.drift_agent", ("--cases", "50"), False),
    ("bench.drift_shared", (), True),
)


def main() -> int:
    data = Path(os.environ.get("TOCSIN_DATA", ROOT.parent / "shared" / "data"))
    worst = 0
    for module, arguments, needs_data in BENCHES:
        if needs_data and not data.is_dir():
            print(f"== {module}: left out, no recorded data at {data} (set TOCSIN_DATA)", flush=True)
            continue
        print(f"== {module}", flush=True)
        code = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=False).returncode
        if code == os.EX_UNAVAILABLE:
            print(f"== {module}: left out, what it compares with is not installed", flush=True)
            continue
        worst = max(worst, code)
    return worst


if __name__ == "__main__":
    sys.exit(main())
