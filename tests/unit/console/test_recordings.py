"""What the options of ``tocsin run`` and a file say of a machine becomes a source."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from agents.acquisition import Waveform
from console.recordings import EVIDENCE, is_recording, recorded, recording_options, watched
from console.render import line
from contracts.errors import ConfigError
from models.detectors import DETECTORS

SKF = {"balls": 9, "ball_diameter": 7.94, "pitch_diameter": 39.04, "contact_angle": 0}


@click.command()
@recording_options
def asked(**said: Any) -> None:
    asked.said = said  # type: ignore[attr-defined]  # handed to the test


def said(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(asked, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return dict(asked.said)  # type: ignore[attr-defined]  # handed to the test


def made(path: Path, *arguments: str) -> Waveform:
    return Waveform.model_validate(recorded(path, said(*arguments)))


def test_options_are_settings_of_the_source(tmp_path: Path) -> None:
    given = made(
        tmp_path / "a.wav", "--bearing", "9,7.94,39.04", "--speed", "1740-1800", "--start", "2026-01-02T03:04:05Z"
    )
    assert given.features.model_dump()["bearing"] == SKF
    assert given.features.model_dump()["speed_rpm"] == (1740, 1800)
    assert given.start == "2026-01-02T03:04:05Z"
    assert made(tmp_path / "a.npy", "--rate", "25600", "--speed", "1797", "--bearing", "9,8,39,15").rate == 25600


def test_an_option_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "pump.yaml").write_text(
        "asset: pump-3\nstart: 2026-01-02T03:04:05Z\nfeatures:\n"
        "  bearing: {balls: 9, ball_diameter: 7.94, pitch_diameter: 39.04}\n  speed_rpm: 1800\n  unit: g\n"
    )
    given = made(tmp_path / "a.wav", "--machine", str(tmp_path / "pump.yaml"), "--speed", "1500")
    assert (given.asset, given.features.unit, given.features.speed_rpm) == ("pump-3", "g", 1500)
    assert given.path == tmp_path / "a.wav"


def test_the_start_is_in_the_name_or_nowhere(tmp_path: Path) -> None:
    assert made(tmp_path / "p 2026-11-20 06.30.00.wav").start == "2026-11-20T06:30:00Z"
    assert made(tmp_path / "p.wav").start == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("window_s: 0", r"pump\.yaml:1: window_s"),
        ("colour: red", r"pump\.yaml:1: colour"),
        ("- 1", "must be a mapping"),
    ],
)
def test_a_fault_of_the_file_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pump.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        recorded(tmp_path / "a.wav", said("--machine", str(tmp_path / "pump.yaml")))


def test_a_bearing_needs_a_speed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="bearing and speed_rpm belong together"):
        recorded(tmp_path / "a.wav", said("--bearing", "9,7.94,39.04"))
    for option in (("--bearing", "nine"), ("--speed", "1-2-3")):
        assert CliRunner().invoke(asked, option).exit_code == 2


def test_evidence_is_told_where_there_is_a_bearing(tmp_path: Path) -> None:
    """A choice of the configuration goes before these; without a bearing nothing changes."""
    plain = {"detector": "mad"}
    assert watched(plain, {"a": recorded(tmp_path / "a.wav", said())}) == plain
    with_one = {"a": recorded(tmp_path / "a.wav", said("--bearing", "9,7.94,39.04", "--speed", "1800"))}
    found = watched({"choose": {"mine": {"channel": "*bpfo"}}}, with_one)["choose"]
    assert list(found) == ["mine", "bearing-bpfo", "bearing-bpfi", "bearing-bsf", "bearing-ftf"]
    limits = DETECTORS[found["bearing-bsf"]["detector"]].model_validate(found["bearing-bsf"]["parameters"])
    assert limits.model_dump()["high"] == EVIDENCE


def test_evidence_is_told_in_words() -> None:
    row = {"type": "AnomalyDetected", "asset": "fan", "channel": "2 bpfi", "time": "t", "id": "1" * 32}
    text = line({**row, "reason": "above the upper limit", "value": 9.25, "score": 1.0})
    assert "evidence for a fault of the inner race of the bearing" in text
    assert "(9.25)" in text


def test_recordings_are_known_by_their_name(tmp_path: Path) -> None:
    assert is_recording(tmp_path)
    assert [is_recording(Path(name)) for name in ("a.WAV", "a.flac", "a.npy", "a.csv", "a.parquet")] == [
        True, True, True, False, False,
    ]  # fmt: skip
