"""The channel to a file: what the sink of this kind promises, for a subscriber."""

import json
from pathlib import Path
from typing import Any

import pytest

from agents.notification.delivery.channel import Surroundings
from agents.notification.delivery.file import FileChannel
from contracts.errors import Unavailable
from contracts.subscribers import FileSubscriber
from tests.unit.notification.made import due


def channel(folder: Path, path: str = "told.jsonl", **said: Any) -> FileChannel:
    return FileChannel("log", FileSubscriber(path=Path(path), **said), Surroundings(folder))


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "told.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("envelope", ["plain", "cloudevents"])
async def test_each_message_is_a_line_once_also_after_a_restart(envelope: str, tmp_path: Path) -> None:
    for _ in range(2):
        way = channel(tmp_path, envelope=envelope)
        for key in ("a", "b", "a"):
            assert await way.send(due(key=key)) == "written"
    found = rows(tmp_path)
    assert [row["id" if envelope == "cloudevents" else "key"] for row in found] == ["a", "b"]


async def test_an_envelope_on_request(tmp_path: Path) -> None:
    await channel(tmp_path, envelope="cloudevents").send(due("hot"))
    await channel(tmp_path).send(due("cold", key="k2"))
    first, second = rows(tmp_path)
    assert (first["specversion"], first["data"]["subject"]) == ("1.0", "hot")
    assert (second["type"], second["subject"]) == ("NotificationDue", "cold")


async def test_a_path_that_is_no_file_or_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(Unavailable, match="not a regular file"):
        await channel(tmp_path, "folder").send(due())
    way = channel(tmp_path, "sub/told.jsonl")
    await way.send(due())
    (tmp_path / "sub" / "told.jsonl").unlink()
    (tmp_path / "sub").rmdir()
    with pytest.raises(Unavailable, match="No such file"):
        await way.send(due(key="k2"))


def test_a_path_cannot_leave_the_folder_by_its_dots(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.\."):
        channel(tmp_path, "../told.jsonl")
