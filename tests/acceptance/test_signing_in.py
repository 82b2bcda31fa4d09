"""People sign in with a browser: from where they wanted to be, back there, and out again."""

from pathlib import Path

import anyio
from playwright.async_api import Page, async_playwright

from bus.memory import MemoryBus
from console.access.tokens import tokens_of
from contracts.settings import ArchiveSettings, Settings
from tests.apis import running_api
from tests.browsers import installed

_QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


async def shows(page: Page, token: str) -> None:
    await page.fill("#token", token)
    await page.keyboard.press("Enter")


async def test_a_browser_signs_in_and_out_and_is_sent_away_when_its_token_ends(tmp_path: Path) -> None:
    """A link from another site finds the session, too; nothing of it can be read by a script."""
    known = tokens_of(tmp_path)
    _, text = known.create("ann", "viewer")
    settings = Settings(data_dir=tmp_path, archive=ArchiveSettings(enabled=False))
    async with running_api(MemoryBus(2), settings) as api, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=installed(), args=_QUIET)
        try:
            page = await browser.new_page()
            said: list[str] = []
            page.on("console", lambda message: said.append(message.text))
            here = f"http://localhost:{api.port}"
            await page.goto(f"{here}/subscribers?x=1")
            assert page.url == f"{here}/sign-in?next=/subscribers%3Fx%3D1"
            assert said == []
            await shows(page, "of somebody else")
            await page.get_by_text("This token is not known").wait_for()
            said.clear()
            await shows(page, text)
            await page.wait_for_url(f"{here}/subscribers?x=1")
            assert await page.evaluate("document.cookie") == ""
            await page.goto(f"data:text/html,<a href='{here}/health'>here</a>")
            await page.click("a")
            await page.wait_for_url(f"{here}/health")
            await page.click("text=Sign out")
            await page.wait_for_url(f"{here}/sign-in")
            await shows(page, text)
            await page.wait_for_url(f"{here}/")
            known.revoke("ann")
            with anyio.fail_after(30):
                response = await page.goto(f"{here}/subscribers")
            assert response is not None
            assert page.url == f"{here}/sign-in?next=/subscribers"
            assert [text for text in said if "Content Security Policy" in text or "Uncaught" in text] == []
        finally:
            await browser.close()
