"""Options that many commands share, and the settings that they lead to.

``@common`` above a command's function gives it a ``Loaded``, ``@choices`` gives it the bare ``Choices``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit

import click

from contracts.redaction import REDACTION, secrets_in
from contracts.settings import REDIS_SCHEMES, Settings, load
from contracts.yamlfile import YamlFile

P = ParamSpec("P")
R = TypeVar("R")

MLFLOW_SCHEMES = ("http", "https", "sqlite")


@dataclass(frozen=True)
class Loaded:
    """The settings in force, and the file that they came from (for the lines of later problems)."""

    settings: Settings
    file: YamlFile

    def again(self) -> Settings:
        """The settings as the file and the environment say them now, with this data directory.

        Raises ConfigError.
        """
        return load(self.file.path, {"data_dir": self.settings.data_dir})[0]


@dataclass(frozen=True)
class Choices:
    """What the command line itself said; nothing is read yet."""

    config: Path | None = None
    data_dir: Path | None = None
    redis: str | None = None
    mlflow: str | None = None

    def overrides(self) -> dict[str, Any]:
        """As settings, which win over the environment and the file."""
        said: dict[str, Any] = {}
        if self.data_dir is not None:
            said["data_dir"] = self.data_dir
        if self.redis is not None:
            said["redis"] = {"url": self.redis}
        if self.mlflow is not None:
            said["mlflow"] = {"uri": self.mlflow}
        return said

    def load(self) -> Loaded:
        """The settings.

        Raises ConfigError with every problem at once.
        """
        loaded = Loaded(*load(self.config, self.overrides()))
        REDACTION.know(secrets_in(loaded.settings))
        return loaded


def choices(command: Callable[Concatenate[Choices, P], R]) -> Callable[..., R]:
    """Add the shared options and hand over what they said, for commands that work without a sound configuration."""

    @click.option("--config", type=_PATH, help="Configuration file. [default: ./tocsin.yaml, else the shipped one]")
    @click.option("--data-dir", type=_PATH, help="Folder for everything that is kept locally. [default: .tocsin]")
    @click.option(
        "--redis",
        metavar="URL",
        callback=_checked(REDIS_SCHEMES),
        help="Server that holds the log. [default: an embedded one] Others can see passwords that stand here: "
        "set TOCSIN_REDIS__PASSWORD_FILE.",
    )
    @click.option("--mlflow", metavar="URI", callback=_checked(MLFLOW_SCHEMES), help="MLflow. [default: a local store]")
    @wraps(command)
    def wrapper(
        *args: Any, config: Path | None, data_dir: Path | None, redis: str | None, mlflow: str | None, **rest: Any
    ) -> R:
        return command(Choices(config, data_dir, redis, mlflow), *args, **rest)

    return wrapper


def common(command: Callable[Concatenate[Loaded, P], R]) -> Callable[..., R]:
    """Add --config, --data-dir, --redis and --mlflow, and hand over the settings that they lead to."""

    @wraps(command)
    def wrapper(said: Choices, /, *args: P.args, **rest: P.kwargs) -> R:
        return command(said.load(), *args, **rest)

    return choices(wrapper)


def json_option(command: Callable[..., R]) -> Callable[..., R]:
    """Add --json, handed over as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")(command)


_PATH = click.Path(path_type=Path)


def _checked(schemes: tuple[str, ...]) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Refuse an unknown scheme here: the settings would blame the file for it."""

    def check(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        try:
            known = value is None or urlsplit(value).scheme in schemes
        except ValueError as error:
            raise click.BadParameter(f"not a URL: {error}") from error
        if not known:
            raise click.BadParameter(f"must begin with {', '.join(f'{scheme}://' for scheme in schemes)}")
        return value

    return check
