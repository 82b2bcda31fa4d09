"""``tocsin dlq``: what is listed, shown, redriven and dropped, by the command line on a log of its own."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from agents.runtime.home import Home, dead_letter
from bus.embedded import EmbeddedServer
from bus.protocol import Bus, Place
from console.cli import main
from contracts.events import DeadLetterDropped, DeadLettered, DeadLetterRedriven, Event, Redriven
from contracts.frames import encode
from contracts.instants import SECOND
from tests.logs import on_bus
from tests.unit.runtime.counting import of_type
from tests.unit.runtime.test_sinking import STREAM, delivered, due, pager

CONFIG = """
bus: {partitions: 2}
agents:
  acquisition: {sources: {push: {kind: http}}}
  validation: {}
  anomaly: {}
  notification: {sinks: {file: {kind: file, path: alerts.jsonl}}}
"""
SINK = "notification.file"


@dataclass
class Instance:
    """A data directory with a running server, and what the command line says about it."""

    data_dir: Path
    config: Path
    url: str
    capsys: pytest.CaptureFixture[str]

    def on_bus(self, act: Callable[[Bus], Any]) -> Any:
        return on_bus(self.config, self.data_dir, self.url, act)

    def bury(self, subject: str, number: int, agent: str = SINK, partition: int = 0) -> str:
        """A dead letter of second ``number``; returns its id."""
        fields = next(iter(encode([due(subject)], "notifier"))).fields()
        place = Place(STREAM, partition)
        error = OSError(f"nobody answers\nfor {subject}")
        letter = dead_letter(agent, place, number, fields, error, tries=3, time=number * SECOND)
        self.append(letter, partition)
        return letter.id

    def append(self, event: Event, partition: int = 0) -> None:
        async def act(bus: Bus) -> None:
            await bus.append(Place(event.stream, partition), list(encode([event], "test")))

        self.on_bus(act)

    def events(self, kind: type[Event], stream: str = "") -> list[Any]:
        async def act(bus: Bus) -> list[Any]:
            return await of_type(bus, kind, stream)

        found: list[Any] = self.on_bus(act)
        return found

    def dlq(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output, and what was said beside it."""
        with pytest.raises(SystemExit) as end:
            main(["dlq", *arguments, "--config", str(self.config), "--data-dir", str(self.data_dir)])
        said = self.capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    def open(self, *arguments: str) -> list[dict[str, Any]]:
        _, out, _ = self.dlq("ls", "--json", *arguments)
        return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def instance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Instance]:
    data_dir, config = tmp_path / "d", tmp_path / "tocsin.yaml"
    data_dir.mkdir(mode=0o700)
    config.write_text(CONFIG)
    with EmbeddedServer(data_dir / "redis", maxmemory_mb=64) as server:
        yield Instance(data_dir, config, server.url, capsys)


def test_empty_queue_is_said_and_its_exit_code_is_one(instance: Instance) -> None:
    assert instance.dlq("ls") == (1, "", "no open dead letters\n")
    assert instance.dlq("redrive", "--all", "--yes")[0] == 1
    assert instance.dlq("drop")[0] == 2, "neither ids nor --all"


def test_letters_are_listed_and_filtered(instance: Instance) -> None:
    first = instance.bury("a", 1)
    instance.bury("b", 2, "anomaly<readings.accepted", partition=1)
    third = instance.bury("c", 3)
    code, out, _ = instance.dlq("ls")
    assert code == 0
    assert out.splitlines()[1].split()[0] == first[:12]
    assert "OSError: nobody answers for a" in out, "a reason stays on its line"
    assert [letter["id"] for letter in instance.open("--agent", "notification")] == [first, third]
    assert [letter["agent"] for letter in instance.open("--agent", "anomaly")] == ["anomaly<readings.accepted"]
    assert [letter["id"] for letter in instance.open("--since", "1970-01-01T00:00:03Z")] == [third]
    assert instance.open("--stream", "anomalies") == []
    (letter,) = instance.open("--agent", "anomaly")
    assert (letter["partition"], letter["position"], letter["tries"], letter["origin"]) == (1, 2, 3, STREAM)
    assert "frame" not in letter


def test_letter_is_shown_with_stack_and_content(instance: Instance) -> None:
    name = instance.bury("pump burns", 1)
    code, out, _ = instance.dlq("show", name[:8])
    assert code == 0
    assert "OSError: nobody answers" in out
    assert "subject=pump burns" in out
    shown = json.loads(instance.dlq("show", name, "--json")[1])
    assert shown["events"][0]["key"] == "key pump burns"
    code, _, said = instance.dlq("show", "nothing")
    assert (code, "is not the id of an open dead letter" in said) == (1, True)


def test_redriven_letters_are_delivered_and_listed_no_more(instance: Instance) -> None:
    for number, subject in enumerate("abc", 1):
        instance.bury(subject, number)
    code, _, said = instance.dlq("redrive", instance.open()[0]["id"][:10], "--why", "disk was full")
    assert (code, said) == (0, "1 done, 0 left as they are, 0 were decided before\n")
    assert instance.dlq("redrive", "--all", "--agent", SINK, "--yes")[0] == 0
    assert instance.open() == []
    decisions = instance.events(DeadLetterRedriven)
    assert [told.why for told in decisions] == ["disk was full", "", ""]
    assert "@" in decisions[0].by
    assert len(instance.events(Redriven, STREAM)) == 3
    assert instance.dlq("redrive", decisions[0].letter)[0] == 1, "once is enough"
    sink = pager()

    async def deliver(bus: Bus) -> None:
        await delivered(Home(bus, "one"), sink, SINK)

    instance.on_bus(deliver)
    assert sink._calls == list("abc")


def test_letters_that_nobody_would_handle_are_left(instance: Instance) -> None:
    instance.bury("a", 1, "pager.gone")
    code, _, said = instance.dlq("redrive", "--all", "--yes")
    assert (code, "no task or sink 'pager.gone' is configured" in said) == (1, True)
    assert len(instance.open()) == 1


def test_letter_whose_bytes_are_gone_can_only_be_dropped(instance: Instance) -> None:
    error = OSError("x")
    instance.append(dead_letter(SINK, Place(STREAM, 0), 1, {}, error, tries=1, time=SECOND))
    code, _, said = instance.dlq("redrive", "--all", "--yes")
    assert (code, "nothing of it is left" in said) == (1, True)
    assert instance.dlq("drop", "--all", "--yes")[0] == 0
    assert instance.open() == []
    assert len(instance.events(DeadLetterDropped)) == len(instance.events(DeadLettered)) == 1


def test_on_a_terminal_it_asks(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    def no(question: str, **rest: object) -> None:
        assert question == "drop 1 dead letters?"
        raise click.Abort

    instance.bury("a", 1)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(click, "confirm", no)
    assert instance.dlq("drop", "--all")[0] == 130
    assert len(instance.open()) == 1
    assert instance.dlq("drop", "--all", "--yes")[0] == 0
