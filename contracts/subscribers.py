"""Who can be told, and how: one class for each kind of subscriber.

A subscriber is told what routes send to it. With ``events`` it also subscribes by itself, to what matches.
Secrets are settings like others, from a file or the environment; no event holds one.
"""

from base64 import b64decode
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, TypeAdapter, field_validator

from .alerts import SignalKind
from .durations import Duration
from .event import Severity
from .identity import is_name
from .sections import Section

#: How the secret of a webhook begins, and how many bytes it holds.
WHSEC = "whsec_"
_KEY_BYTES = range(16, 65)


def webhook_key(secret: str) -> bytes:
    """The key within the secret of a webhook.

    Raises ValueError, without the secret in it, for another form.
    """
    try:
        key = b64decode(secret.removeprefix(WHSEC), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(WHSEC) or len(key) not in _KEY_BYTES:
        raise ValueError("must be whsec_ and base64 of 16 to 64 bytes")
    return key


def _networks(networks: tuple[str, ...]) -> tuple[str, ...]:
    for network in networks:
        ip_network(network)
    return networks


_Networks = Annotated[tuple[str, ...], AfterValidator(_networks)]


class _Subscriber(Section):
    """What all kinds have in common."""

    #: Fields that hold secrets: they never leave the settings and the secrets' file.
    secrets: ClassVar[tuple[str, ...]] = ()

    events: tuple[SignalKind | Literal["all"], ...] = Field(
        default=(), description="told of these without a route, each change by itself; empty: only what is routed"
    )
    matchers: tuple[str, ...] = Field(default=(), description='of its own subscription: as asset=~"pump.*"')
    minimum_severity: Severity = "info"
    throttle: Duration = Field(default=0.0, description="of its own subscription: an alert is told once in this time")
    most_per_minute: int = Field(default=60, ge=1, le=100_000, description="what is more comes summed up, in one")
    expires: datetime | None = Field(default=None, description="end of the subscription, with a zone; empty: never")
    send_resolved: bool = True
    timeout: Duration = Field(default=10.0, gt=0, description="for one try")
    disable_after: int = Field(default=50, ge=1, description="failed tries in a row after which it is disabled")

    @field_validator("expires")
    @classmethod
    def _zoned(cls, expires: datetime | None) -> datetime | None:
        if expires is not None and expires.tzinfo is None:
            raise ValueError("needs a zone, as 2027-01-01T00:00:00Z")
        return expires

    def public(self) -> dict[str, Any]:
        """As plain data without secrets, for the log; only what was set."""
        return self.model_dump(mode="json", exclude=set(self.secrets), exclude_unset=True) | {"kind": self.kind}

    kind: Any


class ConsoleSubscriber(_Subscriber):
    """A line on standard output of the process that delivers."""

    kind: Literal["console"] = "console"
    as_json: bool = False


class FileSubscriber(_Subscriber):
    """A line of JSON in a file, each once."""

    kind: Literal["file"] = "file"
    path: Path = Field(description="relative paths are under the data directory")
    envelope: Literal["plain", "cloudevents"] = "plain"


class WebhookSubscriber(_Subscriber):
    """A POST of JSON, signed as Standard Webhooks say."""

    secrets = ("secret", "old_secret", "authorization")
    kind: Literal["webhook"] = "webhook"
    url: str = Field(max_length=2_048, description="https://, or http:// where allow_http says so; without password")
    secret: SecretStr | None = Field(default=None, description="whsec_..., signs each request")
    old_secret: SecretStr | None = Field(default=None, description="signs it as well while the receiver changes over")
    authorization: SecretStr | None = Field(default=None, description="value of the Authorization header")
    envelope: Literal["plain", "cloudevents"] = "plain"
    allow_http: bool = False
    allow_private: _Networks = Field(default=(), description="private networks that it may be in: 10.0.0.0/8")
    tls_ca: Path | None = Field(default=None, description="file of the authority that certified the receiver")

    @field_validator("secret", "old_secret")
    @classmethod
    def _signs(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            webhook_key(secret.get_secret_value())
        return secret


class EmailSubscriber(_Subscriber):
    """A mail, by SMTP."""

    secrets = ("password",)
    kind: Literal["email"] = "email"
    to: tuple[str, ...] = Field(min_length=1, max_length=100)
    sender: str
    host: str
    port: int = Field(default=587, ge=1, le=65_535)
    tls: Literal["starttls", "tls", "none"] = "starttls"
    tls_ca: Path | None = None
    username: str = ""
    password: SecretStr | None = None


class AppriseSubscriber(_Subscriber):
    """Whatever Apprise can reach; its URLs hold secrets, so they are one."""

    secrets = ("url",)
    kind: Literal["apprise"] = "apprise"
    url: SecretStr


class AlertmanagerSubscriber(_Subscriber):
    """Alerts as Prometheus would send them, by the API v2 of an Alertmanager."""

    secrets = ("authorization",)
    kind: Literal["alertmanager"] = "alertmanager"
    url: str = Field(max_length=2_048, description="of the Alertmanager, as http://127.0.0.1:9093")
    authorization: SecretStr | None = None
    allow_http: bool = False
    allow_private: _Networks = ()
    tls_ca: Path | None = None


class PagerDutySubscriber(_Subscriber):
    """Events API v2 of PagerDuty: trigger, acknowledge, resolve."""

    secrets = ("routing_key",)
    kind: Literal["pagerduty"] = "pagerduty"
    routing_key: SecretStr
    url: str = "https://events.pagerduty.com/v2/enqueue"
    allow_http: bool = False
    allow_private: _Networks = ()
    tls_ca: Path | None = None


#: Those that are posted to.
Posted = WebhookSubscriber | AlertmanagerSubscriber | PagerDutySubscriber


class StreamSubscriber(_Subscriber):
    """A Redis stream of JSON on the server of the log, for programs in any language."""

    kind: Literal["stream"] = "stream"
    most: int = Field(default=100_000, ge=1, le=10_000_000, description="entries that are kept for slow readers")
    envelope: Literal["plain", "cloudevents"] = "plain"


Subscriber = Annotated[
    ConsoleSubscriber
    | FileSubscriber
    | WebhookSubscriber
    | EmailSubscriber
    | AppriseSubscriber
    | AlertmanagerSubscriber
    | PagerDutySubscriber
    | StreamSubscriber,
    Field(discriminator="kind"),
]
#: What is wrong is said without what was given: that may be a secret.
_ADAPTER: TypeAdapter[Subscriber] = TypeAdapter(Subscriber, config=ConfigDict(hide_input_in_errors=True))
_KINDS: dict[str, type[_Subscriber]] = {
    kind.model_fields["kind"].default: kind for kind in _Subscriber.__subclasses__()
}


def subscriber(spec: dict[str, Any]) -> Subscriber:
    """The subscriber that plain data describes, secrets included.

    Raises pydantic.ValidationError.
    """
    return _ADAPTER.validate_python(spec)


def outlined(spec: dict[str, Any]) -> Subscriber:
    """The subscriber that plain data describes, for whoever need not reach it: missing secrets are empty.

    Raises pydantic.ValidationError.
    """
    kind = _KINDS.get(str(spec.get("kind")))
    missing = {name: "" for name in kind.secrets if kind.model_fields[name].is_required()} if kind else {}
    return _ADAPTER.validate_python(missing | spec)


def secrets_of(kind: str) -> frozenset[str]:
    """The fields of a kind of subscriber that hold secrets; of an unknown kind none."""
    return frozenset(_KINDS[kind].secrets) if kind in _KINDS else frozenset()


def checked_name(name: str) -> str:
    """The name of a subscriber, a receiver or a schedule.

    Raises ValueError where it is none.
    """
    if not is_name(name) or set(name) & set(":<, "):
        raise ValueError(f"{name!r} must be a plain word")
    return name
