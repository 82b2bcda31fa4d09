"""The agent's entry in the configuration."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.acquisition import Acquisition, CsvFile, Follow, HttpPush, ParquetFile, Plant, Waveform


def test_the_kind_says_which_source_it_is() -> None:
    """Each of the six, with its settings; a plant is called what it is."""
    agent = Acquisition.model_validate(
        {
            "sources": {
                "a": {"kind": "csv", "path": "x.csv", "zone": "Europe/Berlin", "delimiter": ";"},
                "b": {"kind": "parquet", "path": "x.parquet"},
                "c": {"kind": "follow", "path": "x.csv", "poll_s": 2},
                "d": {"kind": "http", "port": 1234},
                "e": {"kind": "plant", "machines": ["fan"]},
                "sim-f": {"kind": "plant", "steps": 9},
                "g": {"kind": "waveform", "path": "x.wav", "start": "2026-01-02T03:04:05Z"},
            }
        }
    )
    parts = agent.parts("acquisition")
    assert {name: type(part) for name, part in parts.items()} == {
        "a": CsvFile, "b": ParquetFile, "c": Follow, "d": HttpPush, "sim-e": Plant, "sim-f": Plant,
        "g": Waveform,
    }  # fmt: skip
    assert {name: part.endless for name, part in agent.sources.items()} == {
        "a": False, "b": False, "c": True, "d": True, "e": True, "sim-f": False, "g": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"s": {"kind": "mqtt"}}, "does not match any of the expected tags"),
        ({"s": {"kind": "csv"}}, "Field required"),
        ({"s": {"kind": "csv", "path": "x", "colour": 1}}, "Extra inputs"),
        ({"s": {"kind": "csv", "path": "x", "zone": "Mars/Olympus"}}, "no such time zone"),
        ({"s": {"kind": "csv", "path": "x", "zone": "../../etc/passwd"}}, "no such time zone"),
        ({"s": {"kind": "csv", "path": "x", "asset": "a/b"}}, "must be a name"),
        ({"s": {"kind": "csv", "path": "x", "delimiter": "."}}, "Input should be"),
        ({"s": {"kind": "waveform", "path": "x"}}, "Field required"),
        ({"s": {"kind": "waveform", "path": "x", "start": "2026-01-02T03:04:05"}}, "names no time zone"),
        ({"s": {"kind": "waveform", "path": "x", "start": "2026-01-02T03:04:05Z", "names": ["a", "a"]}}, "different"),
        ({"s": {"kind": "waveform", "path": "x", "start": "2026-01-02T03:04:05Z", "rate": 0}}, "greater than 0"),
        ({"a/b": {"kind": "csv", "path": "x"}}, "no names for a source"),
        ({"p": {"kind": "plant"}, "sim-p": {"kind": "plant"}}, "two sources would be called 'sim-p'"),
    ],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Acquisition.model_validate({"sources": wrong})


def test_reading_the_configuration_loads_nothing_heavy() -> None:
    """Every process checks the settings of all agents."""
    code = "import sys, agents.acquisition; print(*{'pyarrow', 'uvicorn', 'starlette'} & set(sys.modules))"
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
