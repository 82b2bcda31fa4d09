"""``tocsin detectors``."""

import json
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

from console.cli import cli
from console.detectors import described, found
from models.detectors import DETECTORS
from models.multivariate import MULTIVARIATE


def said(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["detectors", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_every_detector_is_listed() -> None:
    kinds = sorted({**DETECTORS, **MULTIVARIATE})
    assert [line.split()[0] for line in said("ls").splitlines()] == kinds
    rows = [json.loads(line) for line in said("ls", "--json").splitlines()]
    assert [row["kind"] for row in rows] == kinds
    assert {row["judges"] for row in rows if row["kind"] in MULTIVARIATE} == {"assets"}
    assert {row["judges"] for row in rows if row["kind"] in DETECTORS} == {"series"}
    assert all(row["summary"] and row["source"] and row["example"] for row in rows)
    assert all(0 < row["state_bytes"] < 64 * 1024 for row in rows)


@pytest.mark.parametrize("kind", sorted(found()))
def test_what_is_shown_is_all_there_is_to_say(kind: str) -> None:
    text, one = said("show", kind), described(kind)
    assert one["summary"] in text
    assert all(parameter["name"] in text and parameter["meaning"] in text for parameter in one["parameters"])
    assert json.loads(said("show", kind, "--json")) == json.loads(json.dumps(one))
    assert one["example"].splitlines()[-1] in text


@pytest.mark.parametrize("kind", sorted(found()))
def test_the_example_is_a_program_that_prints_something(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "example.py").write_text(described(kind)["example"])
    runpy.run_path(str(tmp_path / "example.py"))
    assert capsys.readouterr().out.strip()


def test_limits_of_parameters_are_told_in_words() -> None:
    parameters = {one["name"]: one for one in described("mad")["parameters"]}
    assert (parameters["window"]["default"], parameters["window"]["limits"]) == (63, ">= 5, <= 2047")


def test_an_unknown_kind_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    from console.cli import main

    with pytest.raises(SystemExit) as end:
        main(["detectors", "show", "nothing"])
    assert end.value.code == 1
    assert "records" in capsys.readouterr().err
