"""Groups of settings that stand for themselves; ``settings`` puts all of them together."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


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


class LogSettings(Section):
    """How the service tells operators what it does; always on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = Field(default="auto", description="auto: console on a terminal")


class MetricsSettings(Section):
    """Where Prometheus finds the numbers of a service, and others its health. Nothing listens without a port."""

    host: str = Field(default="127.0.0.1", description="address to listen on; no password guards it")
    port: int | None = Field(default=None, ge=1, le=65535, description="for /metrics, /healthz and /readyz")


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
