"""Groups of settings that stand for themselves; ``settings`` puts all of them together."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator


class Section(BaseModel):
    """A group of settings: unknown names are errors, so that a typing mistake is not silently a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MlflowSettings(Section):
    """Where lineage and models are recorded. Without a URI a local store is made in the data directory."""

    uri: str | None = Field(default=None, description="http(s):// or sqlite:///; empty: local store")
    experiment: str = "tocsin"
    model_name: str = "tocsin-detector"
    timeout_s: float = Field(default=10.0, gt=0)
    retries: int = Field(default=1, ge=0, description="of one request; the recorder itself goes on trying for ever")


class ModelsSettings(Section):
    """Where bundles come from besides the data directory, and whom they are accepted from."""

    store: str | None = Field(
        default=None, description="folder, or s3://bucket/prefix (extra s3), shared by all machines; empty: none"
    )
    store_endpoint: str | None = Field(default=None, description="URL of an S3 server that is not Amazon's")
    store_timeout_s: float = Field(default=10.0, gt=0, description="of one request to it")
    signing_key: Path | None = Field(default=None, description="file with the key that signs what is published here")
    trusted_keys: tuple[str, ...] = Field(
        default=(), description="public keys; with any, bundles that none of them signed are refused"
    )

    @field_validator("store")
    @classmethod
    def _known_store(cls, store: str | None) -> str | None:
        if store is not None and "://" in store and not store.startswith("s3://"):
            raise ValueError("must be a folder, or begin with s3://")
        return store

    @field_validator("trusted_keys")
    @classmethod
    def _keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(key) != 64 or set(key) - set("0123456789abcdef") for key in keys):
            raise ValueError("a public key is 64 hexadecimal digits, as `tocsin models key` shows it")
        return keys


class LogSettings(Section):
    """How the service tells operators what it does; always on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = Field(default="auto", description="auto: console on a terminal")


class MetricsSettings(Section):
    """Where Prometheus finds the numbers of a service, and others its health. Nothing listens without a port."""

    host: str = Field(default="127.0.0.1", description="address to listen on; no password guards it")
    port: int | None = Field(default=None, ge=1, le=65535, description="for /metrics, /healthz and /readyz")


class ApiSettings(Section):
    """The HTTP interface of a service. Nothing listens without a port."""

    host: str = Field(default="127.0.0.1", description="address to listen on; others than loopback need a token")
    port: int | None = Field(default=None, ge=1, le=65535, description="for /api/v1")
    token: SecretStr | None = Field(
        default=None, description="of an admin, besides those of `tocsin tokens`; with any, every caller shows one"
    )
    allowed_hosts: tuple[str, ...] = Field(default=(), description="further names in Host and Origin headers")
    max_body_bytes: int = Field(default=2**20, ge=1)
    header_timeout_s: float = Field(default=30.0, gt=0)
    body_timeout_s: float = Field(default=30.0, gt=0)
    models: int = Field(default=8, ge=1, le=1000, description="bundles that are kept loaded, the last used ones")
    subscribers: int = Field(
        default=2_000, ge=1, le=100_000, description="open connections of /api/v1/events at most; more get 503"
    )

    requests_per_minute: int = Field(
        default=1_200, ge=1, le=10_000_000, description="of one token, or of one address without; more get 429"
    )

    @field_validator("token")
    @classmethod
    def _some_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not token.get_secret_value():
            raise ValueError("must not be empty")
        return token


class TracingSettings(Section):
    """Spans for OpenTelemetry; they need the extra otel."""

    enabled: bool = False
    endpoint: str = Field(default="http://127.0.0.1:4318/v1/traces", description="of an OTLP collector, over HTTP")
    sample: float = Field(default=1.0, ge=0, le=1, description="share of the traces that is recorded")
    timeout_s: float = Field(default=5.0, gt=0)


class AgentSettings(BaseModel):
    """One agent: ``kind`` is a built-in name or ``module:Class``; the rest belongs to the agent's own class."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = Field(default="", description="empty: the entry's own name")
    enabled: bool = True

    @property
    def own(self) -> dict[str, Any]:
        """The settings that the agent's class checks."""
        return dict(self.model_extra or {})
