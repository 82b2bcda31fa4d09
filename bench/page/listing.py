"""Thousands of series in the table: how long the page stands still while it is loaded, filtered, sorted, kept up."""

import asyncio
from typing import Any

from .rig import Figure, Plant, Rig, browser

FRAME_MS = 100.0

_WATCH = """() => {
  window.longest = 0;
  window.gap = 0;
  window.observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
  });
  window.observer.observe({ type: "longtask", buffered: true });
  let before = 0;
  const frame = (now) => {
    if (before) window.gap = Math.max(window.gap, now - before);
    before = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""


_STAND_STILL = """() => setTimeout(() => {
  const end = performance.now() + 200;
  while (performance.now() < end);
})"""


async def measured(rig: Rig, series: int, rate: float) -> list[Figure]:
    plant, figures = Plant(rig, series // 20, 20), list[Figure]()
    before = rig.memory_mb()
    await plant.tick(remembered=False)
    writing = asyncio.create_task(_written(plant, rate))
    try:
        async with browser(1280, 900) as page:
            await page.add_init_script(f"({_WATCH})()")

            async def step(name: str) -> None:
                # Until what it caused is over, and two more messages have come.
                await asyncio.sleep(2.5)
                task, gap = await page.evaluate("() => { const f = [longest, gap]; longest = gap = 0; return f }")
                figures.append(Figure(f"{series:,} series, {name}: longest frame", gap, "ms", FRAME_MS))
                figures.append(Figure(f"{series:,} series, {name}: longest task", task, "ms", FRAME_MS))

            await page.goto(rig.url)
            await page.wait_for_function(f"document.querySelector('[data-shown]').textContent.startsWith('{series:,}')")
            await step("loaded")
            await step("kept up to date")
            await page.type("[name=text]", "machine-01", delay=60)
            await step("filtered as it is typed")
            assert "of" in await page.text_content("[data-shown]")
            await page.fill("[name=text]", "")
            await step("filter taken away")
            await page.click("[data-sort=value] button")
            await step("sorted by value")
            await page.select_option("[name=group]", "asset")
            await step("by asset")
            await _scrolled(page)
            await step("scrolled to its end")
            # What measures is measured: a page that does stand still is seen.
            await page.evaluate(_STAND_STILL)
            await asyncio.sleep(0.5)
            seen = await page.evaluate("() => [window.longest, window.gap]")
            assert min(seen) > 150, f"the page stood still for 200 ms, and only {seen} ms were seen"
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    resident = Figure(f"tocsin api with {series:,} series, resident", rig.memory_mb(), "MB")
    return [*figures, resident, Figure("tocsin api without any, resident", before, "MB")]


async def _scrolled(page: Any) -> None:
    await page.hover("[role=grid]")
    for _ in range(40):
        await page.mouse.wheel(0, 1_500)
        await asyncio.sleep(0.02)
    await page.evaluate("() => { const g = document.querySelector('[role=grid]'); g.scrollTop = g.scrollHeight }")


async def _written(plant: Plant, rate: float) -> None:
    while True:
        await plant.tick(remembered=False)
        await asyncio.sleep(1 / rate)
