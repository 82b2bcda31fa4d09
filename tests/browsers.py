"""A real browser for tests: Debian's Chromium, driven by Playwright, that may reach nothing but this machine."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

#: Without these it looks for updates and time servers by itself, and ends where /dev/shm is small, as in a container.
_QUIET = (
    "--disable-dev-shm-usage",
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-sandbox",
)  # fmt: skip
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 375, "height": 800}
Scheme = Literal["light", "dark"]
#: What axe-core finds of these kinds keeps people out.
_SERIOUS = ("serious", "critical")


def installed() -> str:
    """The browser; without one the test is skipped, but not in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs chromium")
        pytest.skip("no chromium is installed")
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """Started once for several pages."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=installed(), args=list(_QUIET))
        try:
            yield found
        finally:
            found.close()


@dataclass
class Watched:
    """A page, and what went wrong on it: errors of its scripts, answers that are none, requests that leave."""

    page: Page
    errors: list[str] = field(default_factory=list)
    abroad: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.errors.append(f"{error}"))
        self.page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.text} at {self.page.url}")

    def _asked(self, request: Request) -> None:
        host = urlsplit(request.url).hostname
        if host not in ("127.0.0.1", "localhost") and not request.url.startswith(("data:", "blob:")):
            self.abroad.append(request.url)

    def barriers(self) -> list[str]:
        """What keeps people out who cannot see the page or point at it, by axe-core."""
        found: list[dict[str, Any]] = Axe().run(self.page).response["violations"]
        return [
            f"{each['impact']} {each['id']}: {node['html'][:150]} {node['failureSummary'][:300]}"
            for each in found
            if each["impact"] in _SERIOUS
            for node in each["nodes"]
        ]

    def sideways(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@contextmanager
def opened(
    found: Browser, size: dict[str, int] | None = None, scheme: Scheme = "light", **context: Any
) -> Iterator[Watched]:
    """A fresh page with nothing remembered."""
    with found.new_context(
        viewport=size or WIDE,  # type: ignore[arg-type]  # a TypedDict with the same two names
        color_scheme=scheme,
        timezone_id="UTC",
        locale="en-GB",
        **context,
    ) as around:
        watched = Watched(around.new_page())
        watched.page.set_default_timeout(30_000)
        watched.listen()
        yield watched
