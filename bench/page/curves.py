"""Many live curves: how long it takes from a batch in the log to its pixels."""

import asyncio
import time
from urllib.parse import urlencode

import numpy as np

from .rig import Figure, Plant, Rig, browser

P50_MS, P99_MS = 50.0, 150.0
#: Before this nothing is counted: charts are made, code is compiled.
WARM_S = 3.0

#: Each draw: number of the series, its newest reading, and when the frame in which it was drawn was over.
_NOTE = """() => {
  window.draws = [];
  const root = document.querySelector(".wall"), numbers = new Map();
  for (const figure of root.querySelectorAll("[data-series]")) numbers.set(figure.dataset.series, numbers.size);
  const { port1, port2 } = new MessageChannel(), due = [];
  port1.onmessage = () => {
    const now = performance.timeOrigin + performance.now();
    for (const [name, t] of due.shift()) window.draws.push(numbers.get(name), t, now);
  };
  root.addEventListener("drawn", (event) => { due.push(event.detail); port2.postMessage(0); });
}"""


async def measured(rig: Rig, curves: int, rate: float, seconds: float) -> list[Figure]:
    plant = Plant(rig, curves // 5, 5)
    await plant.tick()
    async with browser() as page:
        await page.goto(f"{rig.url}/wall?{urlencode([('series', name) for name in plant.names])}")
        await page.evaluate(_NOTE)
        shown = await page.evaluate(
            "() => [...document.querySelectorAll('[data-series]')].map((f) => f.dataset.series)"
        )
        assert shown == plant.names, "not all curves are there"
        begin, cpu = time.monotonic(), rig.cpu_s()
        late = 0.0
        for number in range(round((seconds + WARM_S) * rate)):
            await plant.tick()
            due = begin + (number + 1) / rate
            late = max(late, time.monotonic() - due)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        took, used = time.monotonic() - begin, rig.cpu_s() - cpu
        await asyncio.sleep(1.0)
        draws = np.array(await page.evaluate("() => window.draws"), np.float64).reshape(-1, 3)
    delays = _delays(plant, draws)
    p50, p99 = np.percentile(delays, [50, 99])
    frames = len(np.unique(draws[:, 2])) / took
    what = f"{curves} curves, {rate:g} readings/s each: batch to drawn"
    return [
        Figure(f"{what}, p50", float(p50), "ms", P50_MS),
        Figure(f"{what}, p99", float(p99), "ms", P99_MS),
        Figure(f"{what}, worst", float(delays.max()), "ms"),
        Figure("readings that were drawn", float(np.isfinite(delays).mean() * 100), "%"),
        Figure("frames with curves in a second", float(frames), ""),
        Figure("tocsin api, of a core", used / took * 100, "%"),
        Figure("tocsin api, resident", rig.memory_mb(), "MB"),
        Figure("appending, latest", late * 1000, "ms"),
    ]


def _delays(
    plant: Plant, draws: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """For each reading the time until the first draw in which it, or a later one of its series, was the newest."""
    found = []
    for number, name in enumerate(plant.names):
        own = draws[draws[:, 0] == number]
        times = np.array(plant.written[name]) / 1e6
        times = times[times > times[0] + WARM_S * 1000]
        # A thousandth of a millisecond: what is lost on the way as text.
        at = np.searchsorted(own[:, 1], times - 1e-3)
        assert (at < len(own)).all(), f"a reading of {name} was never drawn"
        found.append(own[at, 2] - times)
    return np.concatenate(found)
