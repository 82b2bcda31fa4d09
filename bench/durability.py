"""What each setting against lost writes costs on a real cluster of 3 primaries and 3 replicas.

    python -m bench.durability [--turns 9] [--json]

Commits per second of 8 owners, each on a partition of its own, as shares of what the asynchronous default does in the
same run; the first line is that one against itself: the noise. Small: one event a commit; large: 100 frames of 10
events. One machine: no network between the nodes.
"""

import argparse
import json
from statistics import median
from time import perf_counter

import anyio

from bus.protocol import Commit
from bus.redis import RedisBus
from bus.redis.connecting import connect
from contracts.settings import RedisSettings
from tests.clusters import RedisCluster, started
from tests.integration.bus.frames import STREAM, frame

OWNERS = 8
_SECONDS = 0.4
#: Name -> appendfsync, min-replicas-to-write, redis.wait_replicas.
WAYS = {
    "asynchronous": ("everysec", 0, 0),
    "min-replicas-to-write 1": ("everysec", 1, 0),
    "wait_replicas 1": ("everysec", 0, 1),
    "appendfsync always": ("always", 0, 0),
    "appendfsync always, wait_replicas 1": ("always", 0, 1),
}
SIZES = {"small": [(STREAM, frame(1))], "large": [(STREAM, frame(*range(10))) for _ in range(100)]}


async def rate(url: str, size: str, replicas: int, seconds: float, run: str) -> float:
    """Commits per second."""
    bus = RedisBus(connect(url, RedisSettings(wait_replicas=replicas)), OWNERS)
    done = [0] * OWNERS

    async def own(partition: int, until: float) -> None:
        while perf_counter() < until:
            at = done[partition]
            await bus.commit(Commit(partition, run, 1, str(at or ""), str(at + 1), SIZES[size]))
            done[partition] += 1

    began = perf_counter()
    async with anyio.create_task_group() as group:
        for partition in range(OWNERS):
            group.start_soon(own, partition, began + seconds)
    took = perf_counter() - began
    await bus.close()
    return sum(done) / took


def measured(cluster: RedisCluster, turns: int) -> dict[str, dict[str, float]]:
    """Way -> size -> median share of the asynchronous rate; the two take turns, so that both meet the same noise."""
    found: dict[str, dict[str, float]] = {}
    for way, (fsync, least, replicas) in WAYS.items():
        for size in SIZES:
            shares = []
            for node in cluster.nodes[:3]:
                node.ask("FLUSHALL")
            for turn in range(turns):
                rates = []
                for usual in (True, False):
                    for node in cluster.nodes:
                        node.ask("CONFIG", "SET", "appendfsync", "everysec" if usual else fsync)
                        node.ask("CONFIG", "SET", "min-replicas-to-write", 0 if usual else least)
                    task = f"{way} {size} {turn} {usual}"
                    rates.append(anyio.run(rate, cluster.url, size, 0 if usual else replicas, _SECONDS, task))
                    for node in cluster.nodes:
                        node.ask("CONFIG", "SET", "min-replicas-to-write", 0)
                shares.append(rates[1] / rates[0])
            found.setdefault(way, {})[size] = round(median(shares), 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    said = parser.parse_args()
    with started(RedisCluster) as cluster:
        found = measured(cluster, said.turns)
    if said.json:
        print(json.dumps(found))
        return
    for way, shares in found.items():
        print(f"{way:40}", *(f"{size} {share:.2f}" for size, share in shares.items()))


if __name__ == "__main__":
    main()
