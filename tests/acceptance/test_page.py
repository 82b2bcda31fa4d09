"""The web page in a real browser, over a whole service: what a person who was just woken up does."""

import json
import math
import os
import random
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from models.bundle import builtin
from models.cache import BundleCache
from tests.browsers import NARROW, WIDE, Scheme, Watched, browser, opened
from tests.clusters import free_ports

from .commands import ROOT, TOCSIN, folder, processes, wait_for

#: Where pictures of the story are put; the README shows them.
PICTURES = os.environ.get("TOCSIN_PICTURES")
ASSET, CHANNEL = "press-1", "force"
HOSTILE = "<img src=x onerror=window.hacked=1>"
#: Seconds of healthy readings before the trouble.
PAST_S = 3_000


@dataclass(frozen=True)
class Plant:
    """A running service: a simulated plant, and a press whose readings we push."""

    base: Path
    page_port: int
    push_port: int
    other: str
    trouble: threading.Event = field(default_factory=threading.Event)

    def at(self, path: str) -> str:
        return f"http://127.0.0.1:{self.page_port}{path}"

    def push(self, rows: list[dict[str, Any]]) -> bool:
        try:
            answer = httpx.post(f"http://127.0.0.1:{self.push_port}/api/v1/readings", json=rows, timeout=20)
        except httpx.HTTPError:
            return False
        return answer.status_code < 300

    def answers(self) -> bool:
        try:
            return httpx.get(self.at("/api/v1/fleet"), timeout=20).status_code == 200
        except httpx.HTTPError:
            return False

    def alert(self) -> str:
        """The id of the press's alert, when there is one."""
        try:
            answer = httpx.get(self.at("/api/v1/alerts"), params={"match": f'asset="{ASSET}"'}, timeout=20)
            rows = [row["id"] for row in answer.json()["alerts"] if row["kind"] == "anomaly"]
        except (httpx.HTTPError, KeyError, ValueError):
            return ""
        return rows[0] if rows else ""


def reading(at: datetime, value: Any) -> dict[str, Any]:
    return {"asset": ASSET, "channel": CHANNEL, "time": at.isoformat(), "value": value}


def healthy(at: datetime) -> float:
    second = int(at.timestamp())
    return round(138 + 0.5 * math.sin(second / 90) + random.Random(second).gauss(0, 0.6), 3)


def configuration(base: Path, page_port: int, push_port: int) -> dict[str, Any]:
    sim = {"kind": "plant", "seed": 5, "past": PAST_S, "with_faults": False, "machines": ["pump", "pump", "compressor"]}
    return {
        "data_dir": str(base / "d"),
        "bus": {"partitions": 2},
        "agents": {
            "acquisition": {"sources": {"sim-plant": sim, "push": {"kind": "http", "port": push_port}}},
            "validation": {},
            # What these machines never reach: only the press is ever in trouble.
            "anomaly": {"detector": "limits", "parameters": {"high": 160}, "clear_after": 3},
            "drift": {},
            "notification": {},
            "coordinator": {},
        },
        "alerting": {
            "route": {"receiver": "duty", "group_by": ["asset"], "group_wait": "0s"},
            "subscribers": {"duty": {"kind": "file", "path": "told.jsonl"}},
        },
        "api": {"port": page_port},
    }


@pytest.fixture(scope="module")
def plant() -> Iterator[Plant]:
    page_port, push_port = free_ports(2)
    with folder() as base:
        other = builtin("limits", {"high": 1_000_000})
        (base / "d").mkdir(mode=0o700)
        BundleCache(base / "d").put(other)
        (base / "tocsin.yaml").write_text(json.dumps(configuration(base, page_port, push_port)))
        found = Plant(base, page_port, push_port, other.digest)
        with (base / "up.log").open("ab") as log:
            command = [*TOCSIN, "up", "--config", str(base / "tocsin.yaml")]
            with subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, start_new_session=True) as service:
                try:
                    with lived(found):
                        yield found
                finally:
                    service.send_signal(signal.SIGTERM)


@contextmanager
def lived(plant: Plant) -> Iterator[Plant]:
    """A quarter of an hour of readings, one of which is none; and then one after the other, as they come."""
    now = datetime.now(UTC).replace(microsecond=0)
    past = [now - timedelta(seconds=PAST_S - n) for n in range(PAST_S)]
    rows = [reading(at, healthy(at)) for at in past]
    rows[400]["value"] = HOSTILE
    wait_for(lambda: plant.push(rows))
    wait_for(plant.answers)
    over = threading.Event()
    pushing = threading.Thread(target=pushed, args=(plant, over))
    pushing.start()
    try:
        yield plant
    finally:
        over.set()
        pushing.join()


def pushed(plant: Plant, over: threading.Event) -> None:
    while not over.wait(1.0):
        at = datetime.now(UTC)
        plant.push([reading(at, 172.5 if plant.trouble.is_set() else healthy(at))])


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


def kept(page: Page, name: str) -> None:
    """A picture of this moment, where somebody wants it."""
    if PICTURES:
        page.wait_for_timeout(3_000)
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def test_the_whole_story(plant: Plant, chromium: Browser) -> None:
    """From the fleet to the curve, the alert, its raw readings, and what another model would have said."""
    with opened(chromium) as watched:
        page = watched.page
        page.goto(plant.at("/"))
        expect(page).to_have_title(re.compile("Tocsin"))
        kept(page, "fleet")
        page.get_by_role("searchbox").fill(ASSET)
        page.get_by_role("link", name=re.compile(CHANNEL)).first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(ASSET)

        # The anomaly appears on the curve while somebody looks at it.
        page.get_by_text("15 min", exact=True).click()
        expect(page.locator(".uplot canvas").first).to_be_visible()
        plant.trouble.set()
        expect(page.get_by_role("row").filter(has_text="anomaly").first).to_be_visible()
        kept(page, "series")

        alert = wait_for(plant.alert)
        page.get_by_role("link", name="Alerts", exact=True).click()
        page.get_by_role("link", name=re.compile(f"{ASSET}.*anomaly")).click()
        expect(page).to_have_url(re.compile(f"/alerts/{alert}"))
        expect(page.get_by_role("main")).to_contain_text("above the upper limit")
        kept(page, "alert")

        # Taken care of, with words that would be a script on a careless page.
        page.get_by_label("Note").first.fill(HOSTILE)
        page.get_by_role("button", name="Acknowledge").click()
        expect(page.get_by_role("main")).to_contain_text(f"takes care of it: {HOSTILE}")
        plant.trouble.clear()

        page.get_by_role("link", name=re.compile("[Ll]ineage")).first.click()
        expect(page).to_have_url(re.compile("/lineage/"))
        readings = page.get_by_role("table").filter(has_text="push")
        expect(readings).to_contain_text("172.5")
        kept(page, "lineage")

        page.goto(plant.at(f"/replays?around={alert}"))
        page.get_by_label("Model").select_option(plant.other)
        page.get_by_role("button", name=re.compile("[Rr]eplay|[Rr]un")).first.click()
        expect(page.get_by_role("main")).to_contain_text(re.compile("vanish"), timeout=60_000)
        expect(page.get_by_role("main")).to_contain_text(ASSET)
        kept(page, "replay")
        assert (watched.errors, watched.abroad) == ([], [])
        assert page.evaluate("window.hacked") is None


def paths(plant: Plant) -> list[str]:
    alert = plant.alert()
    replays = httpx.get(plant.at("/api/v1/replays"), timeout=20).json()["replays"]
    return [
        "/", f"/series/{ASSET}/{CHANNEL}", "/alerts", f"/alerts/{alert}", "/silences", f"/lineage/{alert}",
        f"/lineage/{ASSET}", "/streams", "/replays", *(f"/replays/{each['id']}" for each in replays[:1]), "/models",
        "/subscribers", "/subscribers/duty", "/health", "/sign-in", "/nowhere",
    ]  # fmt: skip


def wrong(watched: Watched, path: str) -> list[str]:
    """What is wrong with the view that is open."""
    said = [*watched.barriers(), *watched.abroad]
    # What is not there says so with 404, which the browser tells as an error of its own.
    said += [error for error in watched.errors if path != "/nowhere"]
    said += [f"{watched.sideways()} pixels too wide"] if watched.sideways() > 0 else []
    said += ["a script of the data ran"] if watched.page.evaluate("window.hacked") else []
    said += ["an element of the data"] if watched.page.locator('img[src="x"]').count() else []
    watched.errors.clear()
    watched.abroad.clear()
    return said


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", NARROW)], ids=["light, wide", "dark, narrow"])
def test_every_view_can_be_used_by_everybody(
    plant: Plant, chromium: Browser, scheme: Scheme, size: dict[str, int]
) -> None:
    """No barrier that axe-core calls serious, no error, nothing from elsewhere, nothing wider than the window."""
    wait_for(plant.alert)
    found: dict[str, list[str]] = {}
    with opened(chromium, size, scheme) as watched:
        for path in paths(plant):
            watched.page.goto(plant.at(path))
            watched.page.wait_for_function("document.fonts.ready")
            if PICTURES:
                name = path.strip("/").replace("/", "-") or "fleet"
                watched.page.screenshot(path=Path(PICTURES) / "all" / f"{name}-{scheme}.png")
            if said := wrong(watched, path):
                found[path] = said
    assert found == {}, json.dumps(found, indent=1)


def test_the_views_are_reached_by_keyboard_alone(plant: Plant, chromium: Browser) -> None:
    """The first stop leads past the navigation, and each link of it shows where one is."""
    with opened(chromium) as watched:
        page = watched.page
        page.goto(plant.at("/streams"))
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to content")
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.locator(":focus").inner_text() == "Models":
                break
        outline = page.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).boxShadow"
        )
        assert outline != "nonenone", "one sees where one is"
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/models"))
        expect(page.locator("nav [aria-current=page]")).to_have_text("Models")


def test_a_killed_interface_is_told_and_comes_back(plant: Plant, chromium: Browser) -> None:
    with opened(chromium) as watched:
        watched.page.goto(plant.at("/"))
        status = watched.page.locator("#connection")
        expect(status).to_have_text("live")
        killed = interface(plant)
        os.kill(killed, signal.SIGKILL)
        expect(status).to_have_text(re.compile("lost"), timeout=30_000)
        expect(status).to_have_text("live", timeout=60_000)
        assert interface(plant) != killed


def interface(plant: Plant) -> int:
    """The process that answers for the page."""
    return next(pid for pid, line in processes(plant.base / "d").items() if "console.cli api" in line)
