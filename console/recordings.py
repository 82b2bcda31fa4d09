"""Recordings of vibration or sound for ``tocsin run``: what a file or options say of a machine, as a source."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from contracts.errors import ConfigError
from contracts.instants import iso
from contracts.yamlfile import YamlFile

R = TypeVar("R")

#: Where neither an option nor the file's name says when a recording began: times are those since its beginning.
NO_TIME = "1970-01-01T00:00:00Z"
#: Evidence for a fault of a bearing from which on it is told: noise alone shows as much in one window of a million.
EVIDENCE = 6.0
_BEARING = ("balls", "ball_diameter", "pitch_diameter", "contact_angle")


def _numbers(separator: str, most: int) -> Callable[[click.Context, click.Parameter, str | None], list[float] | None]:
    """Numbers between separators."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> list[float] | None:
        if value is None:
            return None
        try:
            found = [float(text) for text in value.split(separator)]
        except ValueError as error:
            raise click.BadParameter(f"{value!r}: not numbers with {separator!r} between") from error
        if len(found) > most:
            raise click.BadParameter(f"{value!r}: more than {most} numbers")
        return found

    return read


def recording_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options about recordings, handed over by name."""
    for option in (
        click.option("--rate", type=float, metavar="HZ", help="Samples per second, where a recording does not say it."),
        click.option("--start", metavar="TIME", help="When a recording began. [default: as in its name, or 1970]"),
        click.option("--speed", metavar="RPM", callback=_numbers("-", 2), help="Of the shaft: 1797, or 1740-1800."),
        click.option(
            "--bearing",
            metavar="BALLS,BALL,PITCH[,ANGLE]",
            callback=_numbers(",", 4),
            help="Geometry of the bearing: its faults are looked for, too. Needs --speed.",
        ),
        click.option(
            "--machine",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="YAML with the settings of a source of kind waveform, for all recordings.",
        ),
    ):
        command = option(command)
    return command


def is_recording(path: Path) -> bool:
    """Whether a path is a recording, or a folder of them."""
    from agents.acquisition.recordings import SUFFIXES

    return path.is_dir() or path.suffix.lower() in SUFFIXES


def recorded(path: Path, said: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a source that reads a recording, or a folder of them; ``said`` are the options.

    Raises ConfigError where they do not fit together; with the line, where a file says it.
    """
    from datetime import UTC

    from pydantic import ValidationError

    from agents.acquisition import Waveform
    from agents.acquisition.recordings import named_time
    from contracts.settings import problems

    file = YamlFile.read(said["machine"]) if said["machine"] else YamlFile(Path("tocsin run"), {})
    settings: dict[str, Any] = {**file.data, "kind": "waveform", "path": str(path.absolute())}
    settings.update({name: said[name] for name in ("rate", "start") if said[name] is not None})
    features = dict(settings.get("features") or {})
    if said["bearing"] is not None:
        features["bearing"] = dict(zip(_BEARING, said["bearing"], strict=False))
    if said["speed"] is not None:
        features["speed_rpm"] = said["speed"] if len(said["speed"]) == 2 else said["speed"][0]
    settings["features"] = features
    if "start" not in settings:
        named = None if path.is_dir() else named_time(path, UTC)
        settings["start"] = NO_TIME if named is None else iso(named)
    try:
        return Waveform.model_validate(settings).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        raise ConfigError(problems(error, file)) from error


def watched(agent: Mapping[str, Any], sources: Mapping[str, Any]) -> dict[str, Any]:
    """An anomaly agent's settings that tell evidence for faults of bearings, too, where sources give such.

    A fault that is there from the beginning is no news to a detector that learns what is usual.
    """
    if not any((source.get("features") or {}).get("bearing") for source in sources.values()):
        return dict(agent)
    from models.signals.bearing import FAULTS

    limit = {"detector": "limits", "parameters": {"high": EVIDENCE, "deadband": EVIDENCE / 2}}
    ours = {f"bearing-{fault}": {"channel": f"*{fault}", **limit} for fault in FAULTS}
    return {**agent, "choose": {**(agent.get("choose") or {}), **ours}}
