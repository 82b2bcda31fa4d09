"""Data on standard output, everything else on standard error; and the options that commands share."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from console.options import Choices, Loaded, choices, common, json_option
from console.output import cell, document, emit, line, say, tables


def test_a_record_is_one_line_of_json_without_words_that_json_has_not(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"a": float("nan"), "b": float("inf"), "c": "Straße\n", "d": Path("x")})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"a": None, "b": None, "c": "Straße\n", "d": "x"}


def test_a_document_is_indented_json(capsys: pytest.CaptureFixture[str]) -> None:
    document([{"a": float("nan")}])
    out = capsys.readouterr().out
    assert json.loads(out) == [{"a": None}]
    assert out.splitlines()[1:2] == ["  {"]


def test_notices_go_to_standard_error_and_names_are_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    say("asset [red]x[/red] :boom:")
    tables().print("data [bold]")
    said = capsys.readouterr()
    assert said.err == "asset [red]x[/red] :boom:\n"
    assert said.out == "data [bold]\n"


def test_lines_that_are_piped_are_not_cut_at_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    tables().print("x" * 150)
    assert capsys.readouterr().out == "x" * 150 + "\n"


@click.command()
@common
@json_option
@click.argument("word")
def loading(loaded: Loaded, as_json: bool, word: str) -> None:
    """Print what was handed over."""
    settings = loaded.settings
    click.echo(f"{settings.data_dir} {settings.redis.url} {settings.mlflow.uri} {as_json} {word} {loaded.file.path}")


@click.command()
@choices
def choosing(said: Choices) -> None:
    """Print what was handed over."""
    click.echo(repr(said.overrides()))


def test_shared_options_become_settings(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("data_dir: /from/file\nredis: {url: 'redis://file', timeout_s: 9}\n")
    arguments = ["--config", str(file), "--redis", "unix:///s", "--mlflow", "sqlite:///m.db", "--json", "word"]
    result = CliRunner().invoke(loading, arguments, catch_exceptions=False)
    assert result.output == f"/from/file unix:///s sqlite:///m.db True word {file}\n"


def test_what_was_not_said_overrides_nothing() -> None:
    assert CliRunner().invoke(choosing, []).output == "{}\n"
    assert CliRunner().invoke(choosing, ["--redis", "redis://h"]).output == "{'redis': {'url': 'redis://h'}}\n"


@pytest.mark.parametrize("arguments", [["--redis", "h:6379"], ["--redis", "redis://[x"], ["--mlflow", "ftp://x"]])
def test_an_address_of_another_kind_is_wrong_usage(arguments: list[str]) -> None:
    result = CliRunner().invoke(choosing, arguments)
    assert result.exit_code == 2
    assert arguments[0] in result.output


@pytest.mark.parametrize("evil", ["a\x1b[2Jb", "a\u202eb", "a\x9bb", "a\x07b", "a\rb"])
def test_nothing_that_is_printed_moves_the_cursor(evil: str, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    say(f"{evil}\n[bold]{evil}")
    line(f"{evil}\n[bold]")
    table = Table(box=None, show_header=False)
    table.add_row(cell(evil))
    tables().print(table)
    said = capsys.readouterr()
    told = [*said.err.split("\n"), *said.out.split("\n")]
    assert all(text.isprintable() for text in told)
    shown = evil.encode("unicode_escape").decode()
    assert told[:2] == [shown, f"[bold]{shown}"], "ours are the line ends of a notice"
    assert said.out.split("\n")[0] == f"{shown}\\n[bold]", "a line is one"
    assert shown in said.out.split("\n")[1]
