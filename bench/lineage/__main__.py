"""How fast findings are recorded in MLflow, and how fast `tocsin lineage` answers when very many are in the log.

    python -m bench.lineage [--record 60000] [--alerts 1000000] [--asks 1000] [--json]

Recording: findings a second from the log into finished, verified runs of a local store, as a share of what the plain
client of MLflow does in the same process with the same bytes, without tags, datasets, verification or receipts.
Asking: milliseconds per question in one process after the imports, over a real server, and the whole command beside
it. Times of a shared machine mean little; the shares and the growth from a tenth to all of the findings mean more.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from .asking import asking
from .recording import recording


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=int, default=60_000, help="findings to record; 0: none")
    parser.add_argument("--alerts", type=int, default=1_000_000, help="findings to ask about; 0: none")
    parser.add_argument("--asks", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    found: dict[str, Any] = {}
    works: dict[str, Callable[[Path], Coroutine[Any, Any, dict[str, Any]]]] = {}
    if chosen.record:
        works["recording"] = partial(recording, total=chosen.record)
    if chosen.alerts:
        works["asking"] = partial(asking, total=chosen.alerts, asks=chosen.asks)
    for name, work in works.items():
        with tempfile.TemporaryDirectory(prefix="tocsin-", dir="/tmp") as folder:
            found[name] = anyio.run(work, Path(folder), backend_options={"use_uvloop": True})
        print(json.dumps({name: found[name]}, indent=None if chosen.json else 2), flush=True)
    slow = found.get("recording", {}).get("findings_a_second", 3_000) < 3_000
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
