"""The same job with FastStream and river, as their documentation shows them, in two processes.

One process makes readings and validates them, the other scores each with half-space trees and watches each series with
ADWIN. Messages are read and acknowledged in batches, the fastest that FastStream offers, and published in pipelines.
Nothing is exactly once, nothing has a state that survives, and there are fewer series: all of that is in its favour.
"""

import argparse
import asyncio
import logging
import math
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from bus.embedded import EmbeddedServer, tie_to_parent

ROOT = Path(__file__).resolve().parents[2]
SERIES, WINDOW, PIPE = 50, 4_000, 500
STREAMS, DONE_KEY = ("acquired", "accepted"), "peer:done"
_START_S = 60.0
_WARM = 5_000
_HIGHEST, _LOWEST = 1e6, -1e6
#: About one reading in a hundred; most lie above 0.97.
_LIMIT = 0.99


class Reading(BaseModel):
    """A message."""

    series: int
    time: float
    value: float


class Finding(BaseModel):
    """What is told of a reading."""

    series: int
    time: float
    kind: str


def installed() -> bool:
    """Whether there is anything to compare with."""
    return find_spec("faststream") is not None and find_spec("river") is not None


class Models:
    """River's models of one series."""

    def __init__(self) -> None:
        from river import anomaly, drift, preprocessing

        self.score: Any = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=42)
        adwin: Any = drift.ADWIN
        self.drift = adwin()

    def learn(self, value: float) -> str:
        """What is to be told of a value; mostly nothing."""
        score = self.score.score_one({"x": value})
        self.score.learn_one({"x": value})
        self.drift.update(value)
        return "anomaly" if score > _LIMIT else "drift" if self.drift.drift_detected else ""


def values(count: int) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """A wave with noise."""
    return np.sin(np.arange(count) / 40) + 0.1 * np.random.default_rng(5).standard_normal(count)


# ---------------------------------------------------------------- the two processes


def _broker(url: str) -> Any:
    from faststream.redis import RedisBroker

    logging.getLogger("faststream").setLevel(logging.ERROR)
    return RedisBroker(url, logger=None, socket_timeout=None)  # type: ignore[arg-type] # None: no log at all


def _batches(name: str) -> Any:
    from faststream.redis import StreamSub

    return StreamSub(name, group=f"of {name}", consumer="c", max_records=PIPE, batch=True, polling_interval=1000)


async def _publish(broker: Any, messages: list[Any], stream: str) -> None:
    async with broker._connection.pipeline(transaction=False) as pipe:
        for message in messages:
            await broker.publish(message, stream=stream, pipeline=pipe)
        await pipe.execute()


async def first(url: str) -> None:
    """Make readings, as many as the other process can take, and validate them."""
    broker = _broker(url)
    newest: dict[int, float] = {}

    async def validate(batch: list[Reading]) -> None:
        accepted = []
        for reading in batch:
            sound = math.isfinite(reading.value) and _LOWEST <= reading.value <= _HIGHEST
            if sound and reading.time > newest.get(reading.series, -math.inf):
                newest[reading.series] = reading.time
                accepted.append(reading)
        await _publish(broker, accepted, "accepted")

    broker.subscriber(stream=_batches("acquired"))(validate)
    await broker.start()
    known, sent = values(100_000), 0
    while True:
        if sent - int(await broker._connection.get(DONE_KEY) or 0) >= WINDOW:
            await asyncio.sleep(0.01)
            continue
        rows = range(sent, sent + PIPE)
        readings = [Reading(series=i % SERIES, time=i // SERIES, value=float(known[i % len(known)])) for i in rows]
        await _publish(broker, readings, "acquired")
        sent += PIPE


async def second(url: str) -> None:
    """Score what was accepted."""
    broker = _broker(url)
    models = [Models() for _ in range(SERIES)]

    async def score(batch: list[Reading]) -> None:
        found = [(reading, models[reading.series].learn(reading.value)) for reading in batch]
        told = [Finding(series=reading.series, time=reading.time, kind=kind) for reading, kind in found if kind]
        await _publish(broker, told, "findings")
        await broker._connection.incrby(DONE_KEY, len(batch))

    broker.subscriber(stream=_batches("accepted"))(score)
    await broker.start()
    await asyncio.Event().wait()


# ---------------------------------------------------------------- the measurement


def measured(folder: Path, seconds: float) -> float:
    """Readings per second of both processes together."""
    from redis import Redis

    with EmbeddedServer(folder / "p", maxmemory_mb=1024) as server:
        client = Redis.from_url(server.url)
        for stream in STREAMS:  # a group that FastStream makes begins at the end, behind what came before
            client.xgroup_create(stream, f"of {stream}", id="0", mkstream=True)
        command = [sys.executable, "-m", "bench.pipeline.peer"]
        started = [
            subprocess.Popen(
                [*command, role, server.url],
                cwd=ROOT,
                preexec_fn=tie_to_parent(),  # noqa: PLW1509 - two system calls, nothing that a thread could hold
            )
            for role in ("first", "second")
        ]
        try:
            deadline = time.monotonic() + _START_S
            while _done(client) < _WARM:
                if time.monotonic() > deadline or any(process.poll() is not None for process in started):
                    raise RuntimeError("the peer's processes do not get on")
                time.sleep(0.05)
            begun, at = time.perf_counter(), _done(client)
            time.sleep(seconds)
            return (_done(client) - at) / (time.perf_counter() - begun)
        finally:
            client.close()
            for process in started:
                process.kill()
                process.wait()


def _done(client: Any) -> int:
    return int(client.get(DONE_KEY) or 0)


def river_alone(seconds: float) -> float:
    """Readings per second of river's two models without any bus: what the peer cannot exceed on one core."""
    models, known, count = Models(), values(100_000).tolist(), 0
    for value in known[:1_000]:
        models.learn(value)
    begun = time.perf_counter()
    while (taken := time.perf_counter() - begun) < seconds:
        for value in known[count % 90_000 : count % 90_000 + 200]:
            models.learn(value)
        count += 200
    return count / taken


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("first", "second"))
    parser.add_argument("url")
    arguments = parser.parse_args()
    asyncio.run({"first": first, "second": second}[arguments.role](arguments.url))
