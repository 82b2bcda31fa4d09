"""The small file of a channel: what was written is there, the oldest goes, damage is as nothing."""

from pathlib import Path

import pytest

from agents.notification.delivery.memo import Memo


def test_what_was_written_is_there_for_the_next_one(tmp_path: Path) -> None:
    Memo(tmp_path / "a" / "memo.json", 10).write({"k1": ["x", "y"], "k2": ["z"]})
    memo = Memo(tmp_path / "a" / "memo.json", 10)
    assert memo.read() == {"k1": ["x", "y"], "k2": ["z"]}
    memo.write({"k1": [], "k3": ["w"]})
    assert memo.read() == {"k2": ["z"], "k3": ["w"]}


def test_the_one_that_was_written_longest_ago_goes_first(tmp_path: Path) -> None:
    memo = Memo(tmp_path / "memo.json", 2)
    for key in ("a", "b", "a", "c"):
        memo.write({key: [f"{key}{len(memo.read())}"]})
    assert list(memo.read()) == ["a", "c"]


@pytest.mark.parametrize("damage", [b"", b'{"k1": ["x"', b"[]", b"\xff\xfe", b"null"])
def test_damage_is_as_nothing(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "memo.json"
    path.write_bytes(damage)
    assert Memo(path, 10).read() == {}
    Memo(path, 10).write({"k": ["x"]})
    assert Memo(path, 10).read() == {"k": ["x"]}


def test_what_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    memo = Memo(tmp_path / "memo.json", 10)
    memo.write({"k": []})
    assert list(tmp_path.iterdir()) == []
    memo.write({"k": ["x"]})
    before = (tmp_path / "memo.json").stat().st_ino
    memo.write({"k": ["x"], "gone": []})
    assert (tmp_path / "memo.json").stat().st_ino == before
