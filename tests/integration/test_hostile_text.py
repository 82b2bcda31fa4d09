"""Text from outside that would move a cursor, turn the reading direction or forge a line, through real commands."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agents.runtime.home import dead_letter
from bus.embedded import EmbeddedServer
from bus.protocol import Bus, Place
from console.cli import main, unexpected
from contracts.events import AgentFailed, PartitionStopped
from contracts.frames import encode
from tests.logs import on_bus
from tests.unit.runtime.test_sinking import STREAM, due

EVIL = "x\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\u2066\u2028\u2029\x00y"
CONFIG = """
bus: {partitions: 1}
agents: {acquisition: {sources: {push: {kind: http}}}, validation: {}}
"""


@dataclass
class Said:
    """What a command printed, on both of its outputs."""

    code: int
    out: str
    err: str


@pytest.fixture
def where(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """A log with hostile text in each field that outsiders can fill."""
    data_dir, config = tmp_path / "d", tmp_path / "tocsin.yaml"
    data_dir.mkdir(mode=0o700)
    config.write_text(CONFIG)
    fields = next(iter(encode([due(EVIL)], "notifier"))).fields()
    about: dict[str, Any] = {
        "cause": "x",
        "time": time.time_ns(),
        "asset": "pump-1",
        "agent": "validation",
        "owner": "o",
    }
    letter = dead_letter(
        "validation", Place(STREAM, 0), 1, fields, ValueError(f"{EVIL}\nreason     forged"), tries=1, time=1
    )
    events = [
        letter,
        AgentFailed.of(**about, error=EVIL),
        PartitionStopped.of(**{**about, "agent": "validation<readings.acquired"}, origin="x", position=0, error=EVIL),
    ]

    async def fill(bus: Bus) -> None:
        for event in events:
            await bus.append(Place(event.stream, 0), list(encode([event], "test")))
        await bus.retire(0, "nobody")

    with EmbeddedServer(data_dir / "redis", maxmemory_mb=64) as server:
        on_bus(config, data_dir, server.url, fill)
        yield "--config", str(config), "--data-dir", str(data_dir)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> Said:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    told = capsys.readouterr()
    return Said(int(end.value.code or 0), told.out, told.err)


@pytest.mark.parametrize(
    "command",
    [
        ("dlq", "ls"),
        ("dlq", "ls", "--json"),
        ("tail", "--once", "--from-start", "--stream", "lifecycle"),
        ("tail", "--once", "--from-start", "--stream", "lifecycle", "--json"),
        ("export", "--all", "--stream", "lifecycle"),
        ("recover", "--dry-run"),
        ("recover", "--dry-run", "--json"),
        ("lineage", EVIL),
        ("retire", EVIL),
    ],
    ids=" ".join,
)
def test_nothing_gets_to_the_terminal(
    where: tuple[str, ...], capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    told = said(capsys, *command, *where)
    text = told.out + told.err
    assert [c for c in text if not c.isprintable() and c != "\n"] == []
    assert "owned" in text, "it is shown, and harmless"


def test_a_letter_with_its_stack_is_shown_and_forges_no_field(
    where: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    letters = said(capsys, "dlq", "ls", "--json", *where).out
    name = letters.partition('"id":"')[2].partition('"')[0]
    told = said(capsys, "dlq", "show", name, *where)
    assert [c for c in told.out + told.err if not c.isprintable() and c != "\n"] == []
    assert sum(line.startswith("reason") for line in told.out.splitlines()) == 1


@pytest.mark.parametrize(
    "words", [(EVIL,), ("doctor", f"--{EVIL}"), ("--config", EVIL)], ids=["command", "option", "x"]
)
def test_errors_of_the_command_line_are_harmless_too(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    told = said(capsys, *words)
    assert told.code == 2
    assert [c for c in told.out + told.err if not c.isprintable() and c != "\n"] == []


def test_an_error_that_nobody_expected_is_harmless_too(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError(f"{EVIL} password=canary-88")
    except ValueError as error:
        unexpected(type(error), error, error.__traceback__)
    told = capsys.readouterr()
    assert told.out == ""
    assert [c for c in told.err if not c.isprintable() and c != "\n"] == []
    assert "canary" not in told.err
    assert "test_hostile_text.py" in told.err


def test_a_configuration_that_is_wrong_is_told_without_what_it_could_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a\x1b[2J\u202eb.yaml"
    path.write_text('agents: {"x\\e[2J": {}}\nnonsense: 1\n')
    told = said(capsys, "config", "check", "--config", str(path))
    assert told.code == 78
    assert [c for c in told.out + told.err if not c.isprintable() and c != "\n"] == []
    assert "nonsense" in told.err
