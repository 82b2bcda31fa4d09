"""The table of all series and the wall of curves in a real browser, over a log that grows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from playwright.sync_api import Browser, expect

from bus.memory import MemoryBus
from tests.apis import running_api
from tests.browsers import browser, opened
from tests.fleets import readings

EVIL = "<img src=x onerror=window.hacked=1>"
SERIES = 600


@dataclass
class Plant:
    """A log that the page shows; ``portal``: where both live."""

    bus: MemoryBus
    port: int
    portal: BlockingPortal

    def at(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def tick(self, asset: str, channels: list[str], time: float, value: float) -> None:
        names = [f"{asset}/{channel}" for channel in channels]
        self.portal.call(readings, self.bus, names, [time] * len(names), [value] * len(names))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture
def plant() -> Iterator[Plant]:
    with start_blocking_portal() as portal:
        bus = MemoryBus(2)
        with portal.wrap_async_context_manager(running_api(bus)) as api:
            yield Plant(bus, api.port, portal)


def test_hundreds_of_series_are_listed_filtered_and_kept_up_to_date(plant: Plant, chromium: Browser) -> None:
    """Only rows in sight are elements; a series whose name is markup is text."""
    for machine in range(SERIES // 20):
        plant.tick(f"machine-{machine:02d}", [f"sensor-{n:02d}" for n in range(20)], 1.7e9, 1)
    plant.tick(EVIL, [EVIL], 1.7e9 + 5, 1)
    with opened(chromium) as watched:
        page = watched.page
        page.goto(plant.at("/"))
        shown = page.locator("[data-shown]")
        expect(shown).to_have_text(f"{SERIES + 1} series")
        rows = page.locator(".grid-body [role=row]")
        assert 0 < rows.count() < 60
        page.get_by_role("searchbox").fill("sensor-07")
        expect(shown).to_have_text(f"{SERIES // 20} of {SERIES + 1} series")
        assert page.url.endswith("/?text=sensor-07")

        grid = page.get_by_role("grid")
        row = page.get_by_role("row").filter(has_text="machine-00/sensor-07")
        plant.tick("machine-00", ["sensor-07"], 1.7e9 + 1, 42.5)
        expect(row).to_contain_text("42.5")
        grid.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        expect(grid).to_have_attribute("aria-activedescendant", "fleet-row-2")
        expect(page.locator("#fleet-row-2")).to_contain_text("machine-02/sensor-07")
        page.get_by_label("Show").select_option("asset")
        expect(page.get_by_role("row").filter(has_text="1 series").first).to_contain_text("machine-00")

        page.get_by_role("searchbox").fill(EVIL)
        page.get_by_label("Show").select_option("")
        expect(page.get_by_role("link", name=f"{EVIL}/{EVIL}")).to_be_visible()
        assert watched.barriers() == []
        page.goto(plant.at("/wall"))
        expect(page.get_by_role("link", name=f"{EVIL}/{EVIL}")).to_be_visible()
        assert (page.evaluate("window.hacked"), page.locator("img[src=x]").count()) == (None, 0)
        assert (watched.errors, watched.abroad) == ([], [])


def test_a_page_without_series_says_what_to_do_until_there_are_some(plant: Plant, chromium: Browser) -> None:
    with opened(chromium) as watched:
        page = watched.page
        page.goto(plant.at("/"))
        expect(page.get_by_role("heading", name="No readings yet")).to_be_visible()
        plant.tick("pump-1", ["flow"], 1.7e9, 1)
        expect(page.get_by_role("link", name="pump-1/flow")).to_be_visible()
        expect(page.get_by_role("heading", name="No readings yet")).to_be_hidden()
        assert watched.errors == []


def test_curves_on_the_wall_grow_with_their_readings(plant: Plant, chromium: Browser) -> None:
    """Those that are asked for, and no others."""
    plant.tick("pump-1", ["flow", "pressure", "current"], 1.7e9, 1)
    with opened(chromium) as watched:
        page = watched.page
        page.goto(plant.at("/wall?series=pump-1/flow&series=pump-1/pressure&series=pump-1/none"))
        expect(page.locator("figure")).to_have_count(2)
        expect(page.get_by_text("No readings so far: pump-1/none")).to_be_visible()
        figure = page.locator("figure").filter(has_text="pump-1/flow")
        expect(page.locator("#connection")).to_have_text("live")
        last: Any = 0
        for last in range(1, 4):
            plant.tick("pump-1", ["flow", "pressure"], 1.7e9 + last, 10.5 * last)
        expect(figure.locator("b")).to_have_text("31.5")
        expect(figure.locator(".range")).to_have_text("0 to 35")
        assert watched.errors == []
