"""Sinks: what was delivered is there, once, whatever happened in between."""

import io
import json
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.notification import ConsoleSink, FileSink, Notification, Notifier
from agents.parts import Context
from contracts.errors import ConfigError, Unavailable
from contracts.events import NotificationDue
from tests.unit.notification.made import anomaly, due


def ready(folder: Path, path: str = "alerts.jsonl") -> FileSink:
    sink = FileSink(path=Path(path))
    sink.prepare(Context(agent="notification", data_dir=folder))
    return sink


def keys(file: Path) -> list[str]:
    return [json.loads(line)["key"] for line in file.read_text().splitlines()]


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """The kernel refuses to let any file grow beyond, half-way through a write: like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_file_takes_one_json_line_each_and_makes_its_folders(tmp_path: Path) -> None:
    sink = ready(tmp_path, "deep/er/alerts.jsonl")
    await sink.deliver(due("first\nline", key="a"))
    await sink.deliver(due("second", key="b"))
    rows = [json.loads(line) for line in (tmp_path / "deep/er/alerts.jsonl").read_text().splitlines()]
    assert [(row["type"], row["key"], row["subject"]) for row in rows] == [
        ("NotificationDue", "a", "first\nline"),
        ("NotificationDue", "b", "second"),
    ]
    assert rows[0]["time"] == "2023-11-14T22:13:20Z"


async def test_what_is_delivered_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is synced before deliver returns, and the folder when the file is new."""
    synced: list[bool] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(handle).st_mode))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    sink = ready(tmp_path)
    await sink.deliver(due(key="a"))
    await sink.deliver(due(key="b"))
    assert synced == [False, True, False]


async def test_a_second_delivery_writes_nothing(tmp_path: Path) -> None:
    """Not in the same process, and not in the next one that finds the line in the file."""
    sink = ready(tmp_path)
    await sink.deliver(due(key="a"))
    await sink.deliver(due(key="a"))
    again = ready(tmp_path)
    await again.deliver(due(key="a"))
    await again.deliver(due(key="b"))
    assert keys(tmp_path / "alerts.jsonl") == ["a", "b"]


async def test_half_a_line_is_ended_and_its_notification_written_again(tmp_path: Path) -> None:
    file = tmp_path / "alerts.jsonl"
    await ready(tmp_path).deliver(due(key="a"))
    whole = file.read_bytes()
    file.write_bytes(whole + whole.replace(b'"a"', b'"b"')[:-20])
    await ready(tmp_path).deliver(due(key="b"))
    first, half, last = file.read_text().splitlines()
    assert json.loads(first)["key"] == "a"
    assert json.loads(last)["key"] == "b"
    with pytest.raises(json.JSONDecodeError):
        json.loads(half)


async def test_a_line_that_only_lacks_its_end_is_not_doubled(tmp_path: Path) -> None:
    file = tmp_path / "alerts.jsonl"
    await ready(tmp_path).deliver(due(key="a"))
    file.write_bytes(file.read_bytes()[:-1])
    sink = ready(tmp_path)
    await sink.deliver(due(key="a"))
    await sink.deliver(due(key="b"))
    assert keys(file) == ["a", "b"]


async def test_a_full_disk_raises_and_the_next_try_stands_on_its_own_line(tmp_path: Path) -> None:
    """The kernel writes a part of the line and then refuses."""
    sink, file = ready(tmp_path), tmp_path / "alerts.jsonl"
    await sink.deliver(due(key="a"))
    size = file.stat().st_size
    with files_at_most(size + 30), pytest.raises(OSError, match="File too large"):
        await sink.deliver(due(key="b"))
    assert file.stat().st_size == size + 30
    await sink.deliver(due(key="b"))
    lines = file.read_text().splitlines()
    assert [len(lines), json.loads(lines[-1])["key"]] == [3, "b"]


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_only_files_are_written_to(tmp_path: Path, kind: str) -> None:
    """A pipe without a reader would block for ever."""
    place = tmp_path / "alerts.jsonl"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "device":
        place.symlink_to("/dev/full")
    else:
        place.mkdir()
    with pytest.raises(ConfigError, match="not a regular file"):
        ready(tmp_path)


async def test_a_file_that_became_a_pipe_is_refused_too(tmp_path: Path) -> None:
    sink = ready(tmp_path)
    os.mkfifo(tmp_path / "alerts.jsonl")
    with pytest.raises(Unavailable, match="not a regular file"):
        await sink.deliver(due())


def test_a_folder_that_cannot_be_made_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ConfigError, match=r"cannot use .*alerts\.jsonl for notifications"):
        ready(tmp_path, "taken/alerts.jsonl")


async def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    """As logrotate does it."""
    sink, file = ready(tmp_path), tmp_path / "alerts.jsonl"
    await sink.deliver(due(key="a"))
    file.rename(tmp_path / "alerts.1")
    await sink.deliver(due(key="b"))
    assert keys(file) == ["b"]


async def test_ten_thousand_keys_are_remembered(tmp_path: Path) -> None:
    file = tmp_path / "alerts.jsonl"
    file.write_text("".join(f'{{"key":"k{index}"}}\n' for index in range(10_005)))
    sink = ready(tmp_path)
    await sink.deliver(due(key="k5"))
    assert len(file.read_text().splitlines()) == 10_005
    await sink.deliver(due(key="k4"))
    assert len(file.read_text().splitlines()) == 10_006


async def test_deliver_without_prepare_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="prepare"):
        await FileSink(path=tmp_path / "x").deliver(due())


@pytest.mark.parametrize("path", ["../alerts", "a/../../b", "", "."])
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(ValidationError, match=r"must not contain '\.\.'|must name a file"):
        FileSink(path=Path(path))


async def shown(event: NotificationDue, *, as_json: bool = False) -> str:
    stream = io.StringIO()
    await ConsoleSink(as_json=as_json).onto(stream).deliver(event)
    return stream.getvalue()


async def test_console_prints_one_line_for_people() -> None:
    (event,) = Notifier().handle(anomaly(0), Notifier().start())
    line = await shown(event)
    assert line.startswith("2023-11-14T22:13:20Z [warning] pump/temperature: anomaly, score 0.93 · far above")
    assert line.endswith(f" · tocsin lineage {anomaly(0).id}\n")
    assert line.count("\n") == 1


async def test_console_escapes_what_could_deceive() -> None:
    """A name must not clear the screen, start a line of its own or turn the text around."""
    line = await shown(due("a\x1b[2J\nb\u202ec\x85d\u2028e"))
    assert line.startswith("2023-11-14T22:13:20Z a\\x1b[2J\\nb\\u202ec\\x85d\\u2028e")
    assert line.count("\n") == 1
    assert line[:-1].isprintable()


async def test_console_prints_json_on_request() -> None:
    line = await shown(due("a\x1b\nb\u202e"), as_json=True)
    assert line.isascii()
    assert line[:-1].isprintable()
    assert json.loads(line)["subject"] == "a\x1b\nb\u202e"


async def test_console_uses_standard_output_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    await ConsoleSink().deliver(due("trouble"))
    out = capsys.readouterr()
    assert "trouble" in out.out
    assert out.err == ""


def test_the_agent_is_a_notifier_and_its_sinks() -> None:
    agent = Notification.model_validate(
        {
            "minimum_severity": "critical",
            "sinks": {"screen": {"kind": "console", "json": True}, "file": {"kind": "file", "path": "a.jsonl"}},
        }
    )
    parts = dict(agent.parts("notification"))
    assert list(parts) == ["notifier", "screen", "file"]
    assert parts["notifier"] == Notifier(minimum_severity="critical")
    assert parts["screen"] == ConsoleSink(as_json=True)
    assert isinstance(parts["file"], FileSink)
    assert list(Notification().parts("notification")) == ["notifier", "screen"]


@pytest.mark.parametrize(
    ("sinks", "message"),
    [
        ({"notifier": {"kind": "console"}}, "name of the processor"),
        ({"a b": {"kind": "console"}}, "plain word"),
        ({"x": {"kind": "fax"}}, "fax"),
        ({}, "at least 1"),
    ],
)
def test_sinks_that_cannot_be_are_refused(sinks: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Notification.model_validate({"sinks": sinks})
