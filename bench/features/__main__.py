"""Windowed features: random windows against a slow and exact reference, and readings per second.

    python -m bench.features [--windows 1000000] [--seconds 3] [--json]

Every random case has its own windows, closed sides, fills, lateness, quantum and bound, readings on and beside every
boundary (NaN, infinities, -0.0, one quantum and one float beside an edge), readings out of order, and other cuts into
calls. What is released, its order and every bit of its features must be those of the reference. Rates are by the
process's own time, with windows of 60 and 900 readings.
"""

import argparse
import json
import sys
import time

from .cases import compare
from .speed import measured

LIMIT = 300_000  # readings per second on one core that this has to reach


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.features", description=__doc__)
    parser.add_argument("--windows", type=int, default=100_000, help="random windows to compare")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each rate")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    begin, windows, cases, differences = time.perf_counter(), 0, 0, list[str]()
    while windows < options.windows and len(differences) < 10:
        try:
            windows += compare(options.first_seed + cases)
        except AssertionError as error:
            differences.append(str(error))
        cases += 1
    took = time.perf_counter() - begin
    rates = [
        measured(1000, options.seconds, late, batch) for late, batch in ((0, 8192), (5, 8192), (0, 1000), (0, 256))
    ]
    if options.json:
        parity = {"windows": windows, "cases": cases, "differences": differences, "seconds": round(took, 1)}
        print(json.dumps({"parity": parity, "limit": LIMIT, "rates": rates}))
    else:
        print(f"{windows:,} random windows in {cases:,} cases, {len(differences)} differences ({took:.0f} s)")
        for line in differences:
            print(f"  {line}")
        print("series  batch  lateness  readings/s  of the limit  saved bytes/series")
        for rate in rates:
            share = rate["readings_per_s"] / LIMIT
            print(
                f"{rate['series']:6}  {rate['batch']:5}  {rate['lateness_s']:6} s  {rate['readings_per_s']:10,}"
                f"  {share:12.1f}  {rate['saved_bytes_per_series']:18,}"
            )
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
