"""The vault of secrets: for its owner alone, whole or as it was, whoever else writes."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agents.notification.delivery.vault import Vault
from contracts.errors import Unavailable


def test_what_is_put_is_kept_until_it_is_removed(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "secrets")
    assert vault.get("a") == {}
    vault.remove("a")
    assert not vault.folder.exists(), "looking makes nothing"
    vault.put("a", {"secret": "one", "authorization": "two"})
    vault.put("b", {"secret": "three"})
    vault.put("a", {"secret": "four"})
    again = Vault(tmp_path / "secrets")
    assert (again.get("a"), again.get("b")) == ({"secret": "four"}, {"secret": "three"})
    again.remove("a")
    assert (vault.get("a"), vault.get("b")) == ({}, {"secret": "three"})


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "secrets")
    before = os.umask(0)
    try:
        vault.put("a", {"secret": "one"})
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (vault.folder, vault.path)] == [0o700, 0o600]
    vault.path.chmod(0o640)
    with pytest.raises(Unavailable, match="chmod 600"):
        vault.get("a")


@pytest.mark.parametrize("content", ["canary", "[1]", '{"a": 1}', '{"a": "canary'])
def test_a_damaged_file_is_not_quoted(content: str, tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    vault.path.write_text(content)
    vault.path.chmod(0o600)
    with pytest.raises(Unavailable, match="not the JSON") as caught:
        vault.get("a")
    assert "canary" not in repr(caught.value)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    vault.put("a", {"secret": "one"})
    # A folder stands where the draft would be written: as with a full disk, there is no new file.
    (tmp_path / ".subscribers.json.draft").mkdir()
    with pytest.raises(Unavailable, match="cannot write"):
        vault.put("a", {"secret": "two"})
    assert vault.get("a") == {"secret": "one"}


def test_those_who_write_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: Vault(tmp_path).put(name, {"secret": name}), names))
    assert [Vault(tmp_path).get(name) for name in names] == [{"secret": name} for name in names]
