"""Everything that can be set, in one place.

A value comes from the first of these that names it: the command line, the environment (``TOCSIN_REDIS__URL``), a
secret in a file (``TOCSIN_REDIS__PASSWORD_FILE=/run/secrets/redis``), the YAML file, the default below.
This is the only module that reads the environment.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from .alerting import AlertingSettings as AlertingSettings
from .errors import ConfigError
from .health import HealthSettings as HealthSettings
from .identity import is_name
from .replaying import ReplaySettings as ReplaySettings
from .sections import AgentSettings as AgentSettings
from .sections import ApiSettings as ApiSettings
from .sections import LogSettings as LogSettings
from .sections import MetricsSettings as MetricsSettings
from .sections import MlflowSettings as MlflowSettings
from .sections import ModelsSettings as ModelsSettings
from .sections import Section
from .sections import TracingSettings as TracingSettings
from .training import TrainingSettings as TrainingSettings
from .yamlfile import YamlFile

PREFIX = "TOCSIN_"
NESTED = "__"
MAX_SECRET_BYTES = 64 * 1024
#: The task that archives; its positions are ``archive<STREAM``.
ARCHIVE = "archive"
#: One load at a time: some look at the configuration again in threads.
_LOADING = Lock()
REDIS_SCHEMES = (
    "redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"
)  # fmt: skip


class RedisSettings(Section):
    """The server that holds the log. Without a URL an embedded one is started in the data directory."""

    url: str | None = Field(
        default=None,
        description="redis://, rediss:// (TLS), unix://, redis+sentinel://host:port,host:port/NAME "
        "or redis+cluster://host:port,host:port; empty: embedded server",
    )
    username: str | None = None
    password: SecretStr | None = None
    sentinel_password: SecretStr | None = Field(default=None, description="of the sentinels, where they have one")
    tls_ca: Path | None = Field(default=None, description="file of the authority that certified the server")
    timeout_s: float = Field(default=4.0, gt=0, description="no answer for so long means that the server is gone")
    wait_replicas: int = Field(
        default=0, ge=0, description="so many replicas must have a commit before it counts; 0: asynchronous"
    )
    maxmemory_mb: int = Field(default=1024, ge=16, description="limit of the embedded server")
    fsync: Literal["everysec", "always"] = Field(default="everysec", description="of the embedded server")
    allow_unsafe: bool = Field(default=False, description="start on a server without persistence (tests only)")

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).scheme not in REDIS_SCHEMES:
            raise ValueError(f"must begin with {', '.join(f'{scheme}://' for scheme in REDIS_SCHEMES)}")
        return url


class BusSettings(Section):
    """Order, ownership and recovery."""

    partitions: int = Field(default=8, ge=1, le=4096, description="fixed once the log exists")
    lease_s: float = Field(default=5.0, gt=0.1, description="a partition is free when its owner is silent so long")
    snapshot_s: float = Field(default=5.0, gt=0, description="how often state is saved, at most")
    read_events: int = Field(default=20_000, ge=1, description="most events in one read cycle of a partition")
    read_mb: float = Field(default=16.0, gt=0, description="about how much a task holds of its input at once")
    hang_s: float = Field(default=120.0, gt=0, description="a process that computes so long on one step is ended")
    tries: int = Field(default=10, ge=1, description="of a delivery or a poison event, before it is a dead letter")
    delivery_s: float = Field(default=30.0, gt=0, description="a delivery that takes longer has failed")
    backoff_s: float = Field(default=0.5, gt=0, description="first pause before a retry; doubles, with jitter")
    backoff_max_s: float = Field(default=30.0, gt=0)
    memory_mb: int | None = Field(
        default=None, ge=1, description="most memory of our own keys, where others use the server too; none: its limit"
    )


class ArchiveSettings(Section):
    """Where the log goes that the server need not hold any more."""

    enabled: bool = Field(default=True, description="without an archive nothing is ever trimmed")
    path: Path | None = Field(default=None, description="folder, shared by all machines; empty: in the data directory")
    every_s: float = Field(default=30.0, gt=0, description="how often to look what is to be archived")
    most_age_s: float = Field(default=3600.0, gt=0, description="an event is archived after that time at the latest")
    segment_events: int = Field(default=200_000, ge=1, description="events of a stream and partition in one file")
    keep_events: int = Field(
        default=200_000, ge=0, description="archived events of a stream and partition that stay on the server as well"
    )
    checkpoint_s: float = Field(default=3600.0, gt=0, description="how often a copy of the agents' state is kept")
    keep_checkpoints: int = Field(default=48, ge=1, description="of each task; of older ones one a day is kept")


class ProcessSettings(Section):
    """Limits of each process that a service starts for its agents."""

    memory_mb: int | None = Field(
        default=None,
        ge=512,
        description="data that it may allocate (RLIMIT_DATA), about twice what it uses; then a new start",
    )


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=NESTED, extra="forbid", frozen=True, env_ignore_empty=True
    )

    data_dir: Path = Field(default=Path(".tocsin"), description="everything that is kept locally")
    redis: RedisSettings = RedisSettings()
    mlflow: MlflowSettings = MlflowSettings()
    models: ModelsSettings = ModelsSettings()
    log: LogSettings = LogSettings()
    bus: BusSettings = BusSettings()
    archive: ArchiveSettings = ArchiveSettings()
    process: ProcessSettings = ProcessSettings()
    metrics: MetricsSettings = MetricsSettings()
    api: ApiSettings = ApiSettings()
    tracing: TracingSettings = TracingSettings()
    health: HealthSettings = HealthSettings()
    training: TrainingSettings = TrainingSettings()
    replay: ReplaySettings = ReplaySettings()
    alerting: AlertingSettings = AlertingSettings()
    agents: dict[str, AgentSettings] = Field(default_factory=dict)

    @property
    def archive_dir(self) -> Path:
        """The folder of the archive."""
        return self.archive.path or self.data_dir / "archive"

    @field_validator("agents")
    @classmethod
    def _names(cls, agents: dict[str, AgentSettings]) -> dict[str, AgentSettings]:
        if ARCHIVE in agents:
            raise ValueError(f"{ARCHIVE!r} is the name of the archive's own task: choose another")
        bad = [name for name in agents if not is_name(name) or set(name) & set(":<, ")]
        if bad:
            raise ValueError(f"agent names must be plain words: {', '.join(map(repr, bad))}")
        return agents

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Environment(settings_cls), _SecretFiles(settings_cls), _Yaml(settings_cls)

    def shown(self) -> dict[str, Any]:
        """As plain data with every secret masked, the one in a URL included."""
        data = self.model_dump(mode="json", by_alias=True)
        for section, name in (("redis", "url"), ("mlflow", "uri"), ("tracing", "endpoint")):
            if data[section][name]:
                data[section][name] = masked(data[section][name])
        return data


def masked(url: str) -> str:
    """The URL without its password and query values."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = parts.netloc.rpartition("@")[0].partition(":")[0]
    query = "&".join(item.partition("=")[0] + "=***" for item in parts.query.split("&")) if parts.query else ""
    netloc = f"{user}:***@{host}" if "@" in parts.netloc else host
    # By hand: urlunsplit would make unix:/path of unix:///path.
    return f"{parts.scheme}://{netloc}{parts.path}" + (f"?{query}" if query else "")


class _Yaml(PydanticBaseSettingsSource):
    """The YAML file of the load that is under way."""

    file: YamlFile | None = None

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value = self.file.data.get(field_name) if self.file else None
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self.file.data) if self.file else {}


class _Environment(EnvSettingsSource):
    """The environment without the variables that name secret files: those are read elsewhere."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name: value for name, value in super()._load_env_vars().items() if not name.endswith("_file")}


class _SecretFiles(PydanticBaseSettingsSource):
    """``TOCSIN_A__B_FILE=path`` sets a.b to the content of the file, without the line end."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, path in os.environ.items():
            if name.startswith(PREFIX) and name.endswith("_FILE") and name != f"{PREFIX}CONFIG_FILE":
                *groups, leaf = name.removeprefix(PREFIX).removesuffix("_FILE").lower().split(NESTED)
                target = out
                for group in groups:
                    target = target.setdefault(group, {})
                target[leaf] = _secret(name, Path(path))
        return out


def _secret(variable: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{variable}: cannot read {path}: {error.strerror}"]) from error
    if len(data) > MAX_SECRET_BYTES:
        raise ConfigError([f"{variable}: {path} is larger than {MAX_SECRET_BYTES:,} bytes"])
    try:
        return data.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{variable}: {path} is not UTF-8"]) from error


def config_path(given: Path | None) -> Path:
    """The YAML file to read: the given one, ``TOCSIN_CONFIG_FILE``, ./tocsin.yaml, or the one that is shipped."""
    if given is not None:
        return given
    if named := os.environ.get(f"{PREFIX}CONFIG_FILE"):
        return Path(named)
    local = Path("tocsin.yaml")
    return local if local.exists() else Path(__file__).parent.parent / "config" / "default.yaml"


def load(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> tuple[Settings, YamlFile]:
    """The settings, and the file that they came from (for the lines of later checks).

    Raises ConfigError with every problem at once, each with file and line or the variable that set it.
    """
    file = YamlFile.read(config_path(path))
    # The source is a class attribute for the time of this call only: pydantic-settings makes sources from classes.
    with _LOADING:
        _Yaml.file = file
        try:
            return Settings(**dict(overrides or {})), file
        except ValidationError as error:
            raise ConfigError(problems(error, file)) from error
        except SettingsError as error:
            # A variable that holds a whole section and is not JSON; the message names the section, never the value.
            raise ConfigError([f"environment: {error}"]) from error
        finally:
            _Yaml.file = None


def problems(error: ValidationError, file: YamlFile, under: tuple[str, ...] = ()) -> list[str]:
    """One line per problem: where it was set, which setting, what is wrong."""
    lines = []
    for item in error.errors(include_url=False, include_input=False):
        where = (*under, *(str(part) for part in item["loc"]))
        variable = _variable(where)
        place = f"environment {variable}" if variable else file.place(where)
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "no such setting"
        lines.append(f"{place}: {'.'.join(where)}: {message}")
    return lines


def _variable(where: tuple[str, ...]) -> str:
    name = PREFIX + NESTED.join(part.upper() for part in where)
    return next((found for found in (name, f"{name}_FILE") if found in os.environ), "")


def child_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Our own environment with some variables set, for a child process; empty values unset."""
    merged = {**os.environ, **changes}
    return {name: value for name, value in merged.items() if value or name not in changes}
