"""The page in a real browser: ``python -m bench.page``.

A batch is stamped just before it is appended to the log, and drawn when the frame is over in which its curve was: all
on one machine and one clock. Chromium draws without a graphics card here, the log and the interface have the same
cores: what others do on them is in the figures.
"""

import argparse
import asyncio
import sys

from . import curves, listing
from .rig import Figure, rigged, told


async def _measured(said: argparse.Namespace) -> list[Figure]:
    figures: list[Figure] = []
    if said.part in ("all", "curves"):
        async with rigged() as rig:
            figures += await curves.measured(rig, said.curves, said.rate, said.seconds)
    if said.part in ("all", "listing"):
        async with rigged() as rig:
            figures += await listing.measured(rig, said.series, said.series_rate)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("part", nargs="?", choices=("all", "curves", "listing"), default="all")
    parser.add_argument("--curves", type=int, default=50)
    parser.add_argument("--rate", type=float, default=20.0, help="readings of each curve in a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--series-rate", type=float, default=1.0, help="readings of each series in a second")
    parser.add_argument("--json", action="store_true")
    said = parser.parse_args()
    sys.exit(not told(asyncio.run(_measured(said)), said.json))


if __name__ == "__main__":
    main()
