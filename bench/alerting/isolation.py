"""``python -m bench.alerting.isolation``: what a subscriber that never answers costs the others, in delivery alone.

Messages go straight into the log, without the way from reading to alert, whose delays would hide those of delivery:
as many to each of five subscribers a second as are asked for. Three processes side by side deliver them; one has
nobody else to tell, one a sixth that answers, one a sixth that never does. A shared machine stands still for a second
now and then, and that is all that the p99 of a minute shows; so it is taken of two seconds each, about a hundred
messages, and the median of those counts. See ``bench.alerting.hanging`` for the whole way.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from bus.embedded import EmbeddedServer
from bus.protocol import Bus, Place
from bus.redis import open_bus
from contracts.events import NotificationDue
from contracts.frames import encode
from contracts.identity import home_of
from contracts.settings import Settings

from .ours import configuration, processor_s, started
from .receiver import HANGS, Receiver

_SIDES = ("none", "answers", "hangs")
_HEALTHY = tuple(f"h{number}" for number in range(5))
_SIXTH = "sixth"
_FOLDER_PREFIX = "toc-"
_READY_S = 60.0
#: Messages of so long at the beginning are not counted: connections are made, code is read.
_WARM_UP = 20
_WINDOW_S = 2.0
_LIMIT = 1.05

#: Number of a message, and how long it took, ms.
Took = list[tuple[int, float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=10.0, help="messages a second to each subscriber")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    windows, rounds = {side: list[float]() for side in _SIDES}, []
    for number in range(given.rounds):
        rounds.append(_round(given, number, windows))
        if not given.json:
            print(json.dumps(rounds[-1]), flush=True)
    found = {side: round(float(np.median(windows[side])), 2) for side in _SIDES}
    ratios = {f"ratio_to_{side}": round(found["hangs"] / found[side], 3) for side in ("none", "answers")}
    sure = {f"interval_to_{side}": _interval(windows["hangs"], windows[side]) for side in ("none", "answers")}
    result = {"median_p99_ms": found, "windows": len(windows["none"]), **ratios, **sure, "limit": _LIMIT}
    print(json.dumps({"rounds": rounds, **result} if given.json else result))
    return 0 if ratios["ratio_to_none"] < _LIMIT else 1


def _interval(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    """Between which values nine of ten ratios are, if the same seconds are drawn anew, for both."""
    drawn = np.random.default_rng(0).integers(len(ours), size=(2_000, len(ours)))
    ratios = np.median(np.array(ours)[drawn], axis=1) / np.median(np.array(theirs)[drawn], axis=1)
    low, high = np.percentile(ratios, [5, 95])
    return round(float(low), 3), round(float(high), 3)


def _round(given: argparse.Namespace, number: int, windows: dict[str, list[float]]) -> dict[str, Any]:
    """What each side took; ``windows`` is given the p99 of each two seconds."""
    order = [_SIDES[(number + place) % len(_SIDES)] for place in range(len(_SIDES))]
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=_FOLDER_PREFIX)))
        urls, pids = {}, {}
        for side in order:
            server = EmbeddedServer(folder / side, maxmemory_mb=256, fsync="everysec")
            server.start()
            stack.callback(server.stop)
            asyncio.run(_opened(folder, server.url))
            settings = {**configuration(0, _hooks(receiver.port, side)), "redis": {"url": server.url}}
            place = folder / f"{side}.files"
            place.mkdir()
            urls[side] = server.url
            pids[side] = stack.enter_context(started(place, settings, "notification")).pid
        asyncio.run(_fed(folder, urls, given, receiver))
        found: dict[str, Any] = {}
        for side in _SIDES:
            took = _took(receiver, side)
            windows[side] += _p99s(took, given.rate)
            found[side] = {**_summary(took), "processor_s": round(processor_s(pids[side]), 1)}
    held = sum(until - since for since, until in receiver.held) / given.seconds
    return {**found, "tries": len(receiver.held), "held": round(held, 2)}


def _hooks(port: int, side: str) -> dict[str, str]:
    hooks = {name: f"http://127.0.0.1:{port}/to-{side}/{name}" for name in _HEALTHY}
    sixth = {"answers": f"http://127.0.0.1:{port}/{_SIXTH}", "hangs": f"http://127.0.0.1:{port}{HANGS}"}
    return hooks | ({_SIXTH: sixth[side]} if side in sixth else {})


async def _opened(folder: Path, url: str) -> None:
    await (await open_bus(Settings(data_dir=folder), url)).close()


async def _fed(folder: Path, urls: Mapping[str, str], given: argparse.Namespace, receiver: Receiver) -> None:
    async with AsyncExitStack() as stack:
        logs = {}
        for side, url in urls.items():
            logs[side] = await open_bus(Settings(data_dir=folder), url)
            stack.push_async_callback(logs[side].close)
        await _ready(logs, receiver)
        begin, count = time.monotonic(), round(given.seconds * given.rate)
        for number in range(1, count + 1):
            for side, log in logs.items():
                await _told(log, side, number)
            await asyncio.sleep(max(0.0, begin + number / given.rate - time.monotonic()))
        end = time.monotonic() + _READY_S
        while any(len(_took(receiver, side)) < (count - _WARM_UP + 1) * len(_HEALTHY) for side in logs):
            if time.monotonic() > end:
                raise TimeoutError("not everything was delivered")
            await asyncio.sleep(0.1)


async def _ready(logs: Mapping[str, Bus], receiver: Receiver) -> None:
    """Wait until each process has delivered something to each of its subscribers that answer."""
    for side, log in logs.items():
        await _told(log, side, 0)
    end = time.monotonic() + _READY_S
    while len({path for _, path, _ in receiver.heard if path.startswith("/to-")}) < len(logs) * len(_HEALTHY):
        if time.monotonic() > end:
            raise TimeoutError("the processes do not deliver")
        await asyncio.sleep(0.1)


async def _told(log: Bus, side: str, number: int) -> None:
    names = _HEALTHY if side == "none" else (*_HEALTHY, _SIXTH)
    now = time.monotonic_ns()
    messages = [
        NotificationDue.of(
            cause="bench", time=now, asset="bench", discriminator=f"{name} {number}", subject=str(now),
            body=str(number), severity="info", finding="f", key=f"{name} {number}", subscriber=name,
        )
        for name in names
    ]  # fmt: skip
    place = Place(NotificationDue.stream, home_of("signals", log.partitions))
    await log.append(place, list(encode(messages, "bench")))


def _took(receiver: Receiver, side: str) -> Took:
    """From just before a message was put into the log until it came; not those of the beginning."""
    came = [
        (int(body["data"]["body"]), at * 1e3 - int(body["data"]["subject"]) / 1e6)
        for at, path, body in list(receiver.heard)
        if path.startswith(f"/to-{side}/")
    ]
    return [(number, ms) for number, ms in came if number >= _WARM_UP]


def _p99s(took: Took, rate: float) -> list[float]:
    """Of each window that is full."""
    by_window: dict[int, list[float]] = {}
    for number, ms in took:
        by_window.setdefault((number - _WARM_UP) // round(_WINDOW_S * rate), []).append(ms)
    full = round(_WINDOW_S * rate) * len(_HEALTHY)
    return [float(np.percentile(window, 99)) for _, window in sorted(by_window.items()) if len(window) == full]


def _summary(took: Took) -> dict[str, Any]:
    p50, p99 = np.percentile([ms for _, ms in took], [50, 99])
    return {"messages": len(took), "p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2)}


if __name__ == "__main__":
    sys.exit(main())
