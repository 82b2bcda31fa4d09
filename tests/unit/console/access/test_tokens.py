"""The file of tokens, and everything that can be wrong with it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.clock import Clock
from console.access.credentials import Credentials
from console.access.tokens import hash_of, tokens_of
from console.cli import cli
from contracts.errors import ConfigError, NotFound, Unavailable
from contracts.settings import ApiSettings
from tests.callers import house


def test_the_file_holds_no_token(tmp_path: Path) -> None:
    """Only its hash, and four characters to recognise it by; and nobody else can read it."""
    tokens = tokens_of(tmp_path)
    made, text = tokens.create("ann", "operator")
    kept = (tmp_path / "tokens.json").read_text()
    assert text not in kept
    assert text[-8:] not in kept
    assert (made.hash, made.last) == (hash_of(text), text[-4:])
    assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600


def test_no_two_tokens_are_alike(tmp_path: Path) -> None:
    """256 random bits each."""
    tokens = tokens_of(tmp_path)
    texts = {tokens.create(f"n{number}", "viewer")[1] for number in range(20)}
    assert len(texts) == 20
    assert {len(text) for text in texts} == {len("tocsin_") + 43}


@pytest.mark.parametrize("name", ["", "a b", "a/b", "\x1b[2J", "ü", "-x", "a" * 65, "Local", "configuration", "api"])
def test_a_name_that_could_be_mistaken_is_refused(tmp_path: Path, name: str) -> None:
    """It stands in events, in logs and on the page."""
    with pytest.raises(ConfigError):
        tokens_of(tmp_path).create(name, "viewer")
    assert not (tmp_path / "tokens.json").exists()


def test_a_name_has_one_token_at_a_time(tmp_path: Path) -> None:
    """After it was revoked there can be another one."""
    tokens = tokens_of(tmp_path)
    _, first = tokens.create("ann", "operator")
    with pytest.raises(ConfigError, match="there is a token 'ann'"):
        tokens.create("ann", "admin")
    tokens.revoke("ann")
    _, second = tokens.create("ann", "viewer")
    assert (tokens.find(first), tokens.find(second).role) == (None, "viewer")  # type: ignore[union-attr]  # there is one
    with pytest.raises(NotFound):
        tokens.revoke("bob")


def test_a_token_counts_until_the_moment_that_was_said(tmp_path: Path) -> None:
    """And not at it."""
    now = [1_000]
    tokens = tokens_of(tmp_path, Clock(lambda: now[0]))
    _, text = tokens.create("ann", "viewer", 500)
    now[0] = 1_499
    assert tokens.find(text) is not None
    now[0] = 1_500
    assert tokens.find(text) is None


def test_another_process_sees_what_was_made_and_revoked(tmp_path: Path) -> None:
    """Without being told."""
    here, there = tokens_of(tmp_path), tokens_of(tmp_path)
    assert not there.any()
    _, text = here.create("ann", "viewer")
    assert there.find(text) is not None
    here.revoke("ann")
    assert there.find(text) is None
    assert there.any()


def linked(path: Path) -> None:
    real = path.rename(path.with_name("real"))
    path.symlink_to(real)


def foldered(path: Path) -> None:
    path.unlink()
    path.mkdir()


FAULTS: dict[str, Callable[[Path], Any]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "not text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "a list": lambda path: path.write_text("[]"),
    "no role": lambda path: path.write_text(path.read_text().replace('"role": "viewer"', '"role": "owner"')),
    "unknown field": lambda path: path.write_text(path.read_text().replace('"made"', '"born"')),
    "newer": lambda path: path.write_text(path.read_text().replace('"version": 1', '"version": 2')),
    "no list": lambda path: path.write_text('{"version": 1, "tokens": null}'),
    "large": lambda path: path.write_bytes(b" " * (2 << 20)),
    "readable by the group": lambda path: path.chmod(0o640),
    "readable by all": lambda path: path.chmod(0o604),
    "a link": linked,
    "a folder": foldered,
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_file_that_is_damaged_or_not_private_opens_nothing(tmp_path: Path, fault: str) -> None:
    """Nobody comes in, with a token or without, and the answer says why; a service that starts says it as well."""
    async with house(tmp_path) as at:
        assert (await at.ask("GET", "/api/v1/alerts", **at.bearer("admin"))).status != 503
        FAULTS[fault](tmp_path / "tokens.json")
        for who in (None, "viewer", "admin"):
            answer = await at.ask("GET", "/api/v1/alerts", **at.bearer(who))
            assert (answer.status, "tokens.json" in answer.json["error"]) == (503, True), (who, answer.body)
        if fault != "gone":
            with pytest.raises(Unavailable, match=r"tokens\.json"):
                Credentials(ApiSettings(), tokens_of(tmp_path)).check()


async def test_a_file_that_was_mended_counts_again(tmp_path: Path) -> None:
    """Without a restart; chmod changes neither size nor time of the content."""
    async with house(tmp_path) as at:
        (tmp_path / "tokens.json").chmod(0o644)
        assert (await at.ask("GET", "/api/v1/session", **at.bearer("viewer"))).status == 503
        (tmp_path / "tokens.json").chmod(0o600)
        assert (await at.ask("GET", "/api/v1/session", **at.bearer("viewer"))).json["name"] == "viewer"


def test_an_address_that_others_reach_needs_a_token_of_either_kind(tmp_path: Path) -> None:
    """Else the service does not start."""
    outside = ApiSettings(host="192.0.2.1")
    with pytest.raises(ConfigError, match="can be reached from outside: set a token"):
        Credentials(outside, tokens_of(tmp_path)).check()
    Credentials(ApiSettings.model_validate({"host": "192.0.2.1", "token": "x"}), tokens_of(tmp_path)).check()
    tokens_of(tmp_path).create("ann", "viewer")
    Credentials(outside, tokens_of(tmp_path)).check()
    Credentials(ApiSettings(), tokens_of(tmp_path / "none")).check()


def test_an_address_that_others_reach_is_closed_whatever_happens_to_the_file(tmp_path: Path) -> None:
    """Loopback alone is open without a token."""
    credentials = Credentials(ApiSettings(host="192.0.2.1"), tokens_of(tmp_path))
    assert credentials.required()
    assert credentials.of("") is None


def test_an_empty_token_in_the_configuration_is_an_error() -> None:
    """An empty file of a secret would let everybody in who sends nothing."""
    with pytest.raises(ValueError, match="must not be empty"):
        ApiSettings.model_validate({"token": ""})


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(cli, ["tokens", *arguments, "--data-dir", str(folder)], standalone_mode=False)
    return found.return_value or found.exit_code, found.stdout, found.stderr


def test_the_commands_make_list_and_revoke(tmp_path: Path) -> None:
    """The token alone is on standard output, once."""
    code, text, said = run(tmp_path, "create", "ann", "--role", "operator", "--expires", "90d")
    assert code == 0
    assert tokens_of(tmp_path).find(text.strip()) is not None
    assert text.strip() not in said
    code, listed, _ = run(tmp_path, "ls", "--json")
    row = json.loads(listed)[0]
    assert [row[name] for name in ("name", "role", "state")] == ["ann", "operator", "active"]
    assert row["ends_with"] == text.strip()[-4:]
    assert text.strip() not in listed
    code, _, said = run(tmp_path, "revoke", "ann")
    assert (code, "no token is left" in said) == (0, True)
    assert run(tmp_path, "ls")[0] == 1
    assert json.loads(run(tmp_path, "ls", "--all", "--json")[1])[0]["state"] == "revoked"
