"""Names from outside stay names in a report, whatever is in them."""

import re
import socket
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from console.incidents import gathering, printed
from console.incidents.markdown import markdown, safe
from console.incidents.page import page
from console.incidents.sections import Block, blocks
from contracts.events import (
    AnomalyDetected,
    DriftDetected,
    Evidence,
    ModelServed,
    ReadingsAccepted,
)
from contracts.instants import SECOND
from contracts.readings import Readings, Series
from tests.unit.notification.made import T0, anomaly

from .log import BEGAN, Log, trouble

EVIL = "<img src=x onerror=alert(1)>|`x` **b** [l](javascript:alert(1)) http://evil.example \x1b[31mred\n# head"


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.said = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.said += data


async def evil_blocks(folder: Path) -> list[Block]:
    log = Log(folder)
    log.finding = anomaly(
        BEGAN, asset=EVIL, channel=EVIL, reason=EVIL, evidence=Evidence(stream="readings.accepted", first=1, last=9)
    )
    at = np.arange(500, 1_500)
    rows = Readings.of([Series(EVIL, EVIL, EVIL)], np.zeros(1_000, np.int32), T0 + at * SECOND, np.sin(at), at)
    await log.put(ReadingsAccepted(rows), log.finding, asset=EVIL)
    served = ModelServed.of(cause="m", time=T0, asset=EVIL, agent=EVIL, bundle=EVIL)
    await log.put(served, asset=EVIL)
    await log.put(trouble("gap", 950, detail=EVIL), asset=EVIL)
    return list(blocks(await log.report(), [f"tocsin replay '{EVIL}'"]))


async def test_the_page_runs_and_fetches_nothing_whatever_names_there_are(tmp_path: Path) -> None:
    html = page(await evil_blocks(tmp_path))
    found = Page(html)
    assert not {"script", "img", "a", "iframe", "object", "link"} & set(found.tags)
    assert not any(name.startswith("on") or name in ("src", "href") for name in found.attributes)
    assert "onerror=alert(1)" in found.said, "it is text"
    assert "default-src 'none'" in html
    assert "prefers-color-scheme:dark" in html
    assert "<polygon" in html
    assert all(char.isprintable() or char == "\n" for char in html)


async def test_markdown_keeps_names_in_their_cells_and_lines(tmp_path: Path) -> None:
    text = markdown(await evil_blocks(tmp_path))
    assert all(char.isprintable() or char == "\n" for char in text)
    outside = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    assert "<" not in outside
    assert not re.search(r"(?<!\\)[`\[]|(?<!\\)\*\*|[^\\]://", outside)
    assert len(re.findall(r"^# ", outside, re.MULTILINE)) == 1
    width = 0
    for line in outside.splitlines():
        bars = len(re.findall(r"(?<!\\)\|", line))
        assert line.startswith("|") or not bars
        assert not width or not bars or bars == width, line
        width = bars


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("<img onerror>", "&lt;img onerror&gt;"),
        ("\x1b[31m", r"\\x1b\[31m"),
        ("two\nlines", r"two\\nlines"),
        ("a&lt;b", "a&amp;lt;b"),
        ("https://x www.y", r"https\://x www\.y"),
        ("\u202eabc", r"\\u202eabc"),
    ],
)
def test_markdown_shows_a_text_as_it_is(text: str, expected: str) -> None:
    assert safe(text) == expected


def test_a_paragraph_from_outside_begins_nothing_else() -> None:
    found = markdown([Block("text", ("- a", "1. b", "    code", "+ c", "=== d"))])
    assert found.splitlines()[::2] == [r"\- a", r"1\. b", "code", r"\+ c", r"\=== d"]


@pytest.mark.skipif(not printed.installed(), reason="the extra pdf is not installed")
async def test_paper_is_printed_and_fetches_nothing(tmp_path: Path) -> None:
    assert printed.printed(page(await evil_blocks(tmp_path))).startswith(b"%PDF-")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        where = f"http://127.0.0.1:{server.getsockname()[1]}"
        asked = f'<link rel="stylesheet" href="{where}/s"><style></style><img src="{where}/i"><p>text</p>'
        assert printed.printed(asked).startswith(b"%PDF-")
        with pytest.raises(BlockingIOError):
            server.accept()


def test_findings_are_found_by_all_kinds_that_alerts_are_made_of() -> None:
    assert {AnomalyDetected.stream, DriftDetected.stream} & gathering._LEFT_ALONE == set()
