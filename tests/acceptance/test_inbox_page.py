"""The inbox in a real browser: by keyboard, several alerts at once, and errors that are pages."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import Browser, expect

from bus.memory import MemoryBus
from tests.browsers import browser, opened
from tests.integration.page.site import EVIL, site

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of pages over a log with four alerts, one of them hostile."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(site(MemoryBus(2), tmp_path)) as there:
        yield str(there.client.base_url).rstrip("/")


def test_alerts_are_taken_care_of_by_keyboard(address: str, chromium: Browser) -> None:
    """The list is replaced under the cursor, and what was chosen stays chosen."""
    with opened(chromium) as watched:
        page = watched.page
        page.goto(f"{address}/alerts")
        rows = page.locator("[data-row]")
        expect(rows).to_have_count(4)
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        expect(rows.first.locator("[data-open]")).to_be_focused()
        page.keyboard.press("a")
        expect(rows).to_have_count(3)
        expect(page.locator("#said")).to_have_text("Acknowledged")
        page.keyboard.press("j")
        page.keyboard.press("x")
        expect(page.locator("[data-chosen]")).to_have_text("1 chosen")
        page.evaluate("document.querySelector('#inbox').dataset.old = 1; window.htmx.trigger(document.body, 'changed')")
        expect(page.locator("#inbox[data-old]")).to_have_count(0)
        expect(rows.first.locator("[data-choose]")).to_be_checked()
        page.locator("[data-all]").check()
        page.locator("[data-bulk=ack]").click()
        expect(page.locator(".empty")).to_contain_text("Nothing is open; 4 are taken care of")
        page.get_by_role("link", name=re.compile("^acknowledged")).click()
        expect(rows).to_have_count(4)
        while not page.evaluate("document.activeElement.matches('[data-open]')"):
            # Until the script of the view that was just shown listens.
            page.keyboard.press("j")
            page.wait_for_timeout(50)
        page.keyboard.press("Enter")
        expect(page.locator("#now")).to_contain_text("takes care of it")
        assert watched.errors == watched.abroad == []


def test_a_filter_is_typed_without_losing_the_cursor_and_a_wrong_one_is_told(address: str, chromium: Browser) -> None:
    with opened(chromium) as watched:
        page = watched.page
        page.goto(f"{address}/alerts")
        page.locator("input[name=text]").press_sequentially("vibration")
        expect(page.locator("[data-row]")).to_have_count(1)
        expect(page.locator("input[name=text]")).to_be_focused()
        expect(page).to_have_url(re.compile("text=vibration"))
        page.goto(f"{address}/alerts?text=onerror")
        expect(page.locator("[data-row]")).to_contain_text(EVIL)
        assert not page.evaluate("document.images.length")
        assert watched.errors == watched.abroad == []


def test_a_page_that_is_not_there_is_shown_in_words_wherever_it_was_asked_from(address: str, chromium: Browser) -> None:
    with opened(chromium) as watched:
        page = watched.page
        page.goto(f"{address}/lineage/pumps")
        page.get_by_label("Finding, alert").fill("nothing like it")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("This is not here")
        expect(page.locator("main")).to_contain_text("no finding has the id nothing like it")
        assert watched.abroad == []
