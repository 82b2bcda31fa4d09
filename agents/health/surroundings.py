"""What can be told without the log: disk, permissions, what ends on a day, and what runs."""

from collections.abc import Callable, Iterator
from pathlib import Path

from contracts.settings import Settings

from ..telemetry import read_reports
from .expiry import CERTIFICATES, TOKENS, certificates, tokens
from .finding import Health, broken
from .places import DISK, PERMISSIONS, disk, permissions
from .processes import CHECK as ORPHANS
from .processes import orphans
from .running import CHECK as RUNNING
from .running import Running, running, settling


def surroundings(settings: Settings, now: int) -> Iterator[Health]:
    """Every look, one after the other; blocks for some ten milliseconds. ``now`` is wall clock, ns."""
    looks: dict[str, Callable[[], Health]] = {
        DISK: lambda: disk(settings.data_dir),
        PERMISSIONS: lambda: permissions(settings.data_dir, keys(settings)),
        TOKENS: lambda: tokens(settings.data_dir, now),
        CERTIFICATES: lambda: certificates(authorities(settings), now),
        ORPHANS: lambda: orphans(settings.data_dir),
        RUNNING: lambda: configured(settings, now),
    }
    for check, look in looks.items():
        try:
            yield look()
        except OSError as error:
            due_to = "A disk or folder is gone, or this user may not read it"
            yield broken(check, f"cannot be looked at: {error}", due_to, "See: tocsin doctor")


def keys(settings: Settings) -> list[Path]:
    """The files that hold private keys."""
    return [settings.models.signing_key] if settings.models.signing_key else []


def authorities(settings: Settings) -> list[Path]:
    """The files of authorities that the configuration names."""
    found = [settings.redis.tls_ca]
    for subscriber in settings.alerting.subscribers.values():
        named: Path | None = getattr(subscriber, "tls_ca", None)
        found.append(named and settings.data_dir / named)
    return [path for path in found if path is not None]


def configured(settings: Settings, now: int) -> Health:
    """Whether what runs is what is configured."""
    url, folder = settings.redis.url, (settings.data_dir / "redis").absolute()
    # Whoever has a server of their own may run some agents on other machines.
    here = not url or url.startswith(f"unix://{folder}")
    reports = read_reports(settings.data_dir, now / 1e9)
    here = here and not settling(settings.data_dir, reports)
    return running(reports, Running.of(settings), now / 1e9, here=here)
