"""Lines of the log: one each, without secrets and without anything that could forge a line, as JSON and for people."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from agents.runtime.about import about
from bus.protocol import Place
from console.logs import set_up
from contracts.settings import LogSettings

CANARY = "canary-1d4b"
EVIL = "a\nERROR forged \x1b[2J\x00\x9b\u202e\u2066\u2028\u2029\x7fz"
BAD = [c for c in EVIL if not c.isprintable()]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], io.StringIO]]:
    """Sets the log up in a format; what it says is in the file."""
    root, before = logging.getLogger(), (logging.getLogger().handlers[:], logging.getLogger().level)

    def begin(form: str, service: bool = False) -> io.StringIO:
        said = io.StringIO()
        monkeypatch.setattr(sys, "stderr", said)
        set_up(LogSettings.model_validate({"format": form, "level": "debug"}), service=service)
        return said

    yield begin
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(said: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.getvalue().splitlines()]


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_stays_one_whatever_is_in_it_at_any_depth(told: Callable[..., io.StringIO], form: str) -> None:
    said = told(form)
    log = structlog.get_logger()
    log.warning(EVIL, text=EVIL, deep={"list": [{EVIL: {EVIL}}], "bytes": EVIL.encode()}, error=ValueError(EVIL), n=1)
    text = said.getvalue()
    assert text.count("\n") == 1
    assert [c for c in text.rstrip("\n") if not c.isprintable() and c != "\x1b"] == []
    assert "\x1b" not in text
    if form == "json":
        (line,) = lines(said)
        assert "\\u202e" in line["text"], "it can be read back, and is harmless then, too"
        assert not any(c in json.dumps(line, ensure_ascii=False).replace("\\\\", "") for c in BAD)
        assert line["n"] == 1


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_cannot_forge_a_line_and_shows_no_variable(told: Callable[..., io.StringIO], form: str) -> None:
    said = told(form)
    secret = f"password={CANARY}"
    try:
        raise ValueError(f"{EVIL} {secret}")
    except ValueError:
        structlog.get_logger().exception("it broke")
    text = said.getvalue()
    assert CANARY not in text
    assert "ValueError" in text
    assert "\x1b" not in text
    if form == "json":
        (line,) = lines(said)
        assert "test_logs.py" in line["exception"]
    else:
        first, *rest = text.rstrip("\n").split("\n")
        assert "it broke" in first
        assert len(rest) > 3
        assert all(line.startswith("    | ") and line.isprintable() for line in rest)


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_gets_into_a_line(told: Callable[..., io.StringIO], form: str) -> None:
    said = told(form)
    log = structlog.get_logger()
    log.info("x", password=CANARY, deep={"headers": [{"Authorization": f"Bearer {CANARY}"}]})
    log.info("y", url=f"redis://u:{CANARY}@h/0", text=f"at redis://u:{CANARY}@h/0 and https://h?token={CANARY}")
    log.info("z", error=OSError(f"Authorization: Basic {CANARY}"), token=17)
    words = f"bearer {CANARY}"
    log.info(words)
    assert CANARY not in said.getvalue()
    assert said.getvalue().count("***") >= 6
    assert "17" in said.getvalue(), "a fencing token is no secret"


def test_what_is_endless_comes_to_an_end(told: Callable[..., io.StringIO]) -> None:
    said = told("json")
    loop: dict[str, Any] = {}
    loop["self"] = loop
    structlog.get_logger().info("x", loop=loop, long="y" * 10**6, many=list(range(10**5)))
    assert len(said.getvalue()) < 40_000


def test_libraries_speak_through_the_same_log(told: Callable[..., io.StringIO]) -> None:
    said = told("json", service=True)
    logging.getLogger("uvicorn.error").warning("of %s\n%s", "uvicorn", f"password={CANARY}")
    logging.getLogger("quiet").info("not worth a line")
    try:
        raise ValueError(EVIL)
    except ValueError:
        logging.getLogger("redis").exception("lost")
    first, second = lines(said)
    assert (first["level"], first["logger"], CANARY in first["event"]) == ("warning", "uvicorn.error", False)
    assert "ValueError" in second["exception"]


def test_lines_name_task_partition_and_bundle_while_a_runner_is_at_them(told: Callable[..., io.StringIO]) -> None:
    said = told("json")
    log = structlog.get_logger()
    with about("anomaly<readings.accepted", Place("readings.accepted", 3), "b" * 8):
        log.info("within")
    log.info("without")
    within, without = lines(said)
    assert (within["task"], within["partition"], within["bundle"]) == ("anomaly<readings.accepted", 3, "b" * 8)
    assert "partition" not in without
