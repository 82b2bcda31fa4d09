"""What runs: told by each process at its start, compared with what the files say now."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from contracts.settings import Settings

from ..telemetry import Report
from ..telemetry.reports import FRESH_S
from .finding import Health, ill, skipped, well
from .processes import age_s, alive, children

CHECK = "running"
_PACKAGES = ("contracts", "bus", "models", "agents", "console")
_ROOT = Path(__file__).resolve().parents[2]
#: Where a process was started says these, not the file: a supervisor gives its children the address of its server.
_ASIDE = {"data_dir": None, "redis": {"url"}, "mlflow": {"uri"}}
_NAMED = 5
#: All processes of a service run so long after its start; importing takes ten seconds on a slow machine.
SETTLED_S = 60.0


@dataclass(frozen=True)
class Running:
    """With what a process was started.

    agents    those that it runs
    version   of Tocsin, as installed; empty where it runs from its source tree
    code      digest of all of our modules
    settings  section, or ``agents.NAME`` -> digest of what was set there
    """

    pid: int
    agents: tuple[str, ...]
    version: str
    code: str
    settings: Mapping[str, str]

    @classmethod
    def of(cls, settings: Settings, agents: Sequence[str] = ()) -> "Running":
        """This process. Reads some 3 MB of code."""
        return cls(os.getpid(), tuple(agents), installed(), code(), digests(settings))

    def record(self) -> dict[str, Any]:
        """As it stands in a report."""
        return asdict(self)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "Running | None":
        """From a report; None where it does not say, as those of an older version."""
        try:
            return cls(
                int(data["pid"]),
                tuple(map(str, data["agents"])),
                str(data["version"]),
                str(data["code"]),
                {str(name): str(digest) for name, digest in data["settings"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


def installed() -> str:
    """The installed version; empty where Tocsin runs from its source tree."""
    try:
        return version("tocsin")
    except PackageNotFoundError:
        return ""


def code() -> str:
    """The digest of our modules as they are on the disk now."""
    digest = blake2b(digest_size=8)
    for package in _PACKAGES:
        for path in sorted((_ROOT / package).rglob("*.py")):
            digest.update(f"{path.relative_to(_ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def digests(settings: Settings) -> dict[str, str]:
    """Digest of each section; secrets count as set or not set, not by what they are."""
    data: dict[str, Any] = settings.model_dump(mode="json", exclude=_ASIDE)  # type: ignore[arg-type]  # None: all of it
    data.pop("data_dir", None)
    agents = data.pop("agents", {})
    data |= {f"agents.{name}": value for name, value in agents.items() if settings.agents[name].enabled}
    return {name: _digest(value) for name, value in data.items()}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=8).hexdigest()


def settling(data_dir: Path, reports: Sequence[Report]) -> bool:
    """Whether a service was started a moment ago: some of its processes still import what they need."""
    ours = children(data_dir)
    supervised = {process.pid for process in ours}
    alone = {told.pid for _, told in _alive(reports) if told.pid not in supervised}
    # A process that dies again and again is always young; whoever starts it is not.
    return any(age_s(pid) < SETTLED_S for pid in alone | {process.parent for process in ours})


def _alive(reports: Sequence[Report]) -> "list[tuple[Report, Running]]":
    told = [(report, Running.parse(report.running)) for report in reports]
    return [(report, each) for report, each in told if each is not None and alive(each.pid)]


def running(reports: Sequence[Report], now: Running, now_s: float, *, here: bool) -> Health:
    """Whether what runs is what the files say; ``here``: all agents must run on this machine, and had time to start.

    ``reports`` are those of all processes of the data directory, ``now_s`` is Unix seconds.
    """
    found = _alive(reports)
    if not found:
        return skipped(CHECK, "no process of the service runs with this data directory")
    for look in (_silent(found, now_s), _changed(found, now), _others(found, now, here=here)):
        for health in look:
            return health
    agents = ", ".join(sorted({name for _, told in found for name in told.agents}))
    return well(CHECK, f"{len(found)} processes with {agents}, as configured")


_Found = Sequence[tuple[Report, Running]]


def _silent(found: _Found, now_s: float) -> Iterator[Health]:
    silent = [(report, told) for report, told in found if now_s - report.written > FRESH_S]
    if silent:
        report, told = silent[0]
        yield ill(
            CHECK,
            f"process {told.pid} ({report.process}) has said nothing for {now_s - report.written:.0f} s",
            "It is stopped (SIGSTOP), hangs, or cannot write to the data directory",
            f"See its log; if nothing moves: kill {told.pid}, and its supervisor starts it again",
        )


def _changed(found: _Found, now: Running) -> Iterator[Health]:
    """What was changed since a process was started."""
    for report, told in found:
        what = f"process {told.pid} ({report.process})"
        if told.version != now.version or told.code != now.code:
            which = f"version {told.version}, here is {now.version}" if told.version != now.version else "other code"
            due_to = "Tocsin was upgraded or changed, and the service goes on with what it had loaded"
            yield ill(CHECK, f"{what} runs with {which}", due_to, _RESTART)
        other = sorted(name for name, digest in told.settings.items() if now.settings.get(name, digest) != digest)
        if other:
            some = ", ".join(other[:_NAMED])
            due_to = "The file was changed since it was started; or its TOCSIN_ variables are others than those here"
            yield ill(CHECK, f"{what} runs with another {some} than is configured now", due_to, _RESTART)


def _others(found: _Found, now: Running, *, here: bool) -> Iterator[Health]:
    """Agents that run and are not configured, and the other way round."""
    configured = {name.removeprefix("agents.") for name in now.settings if name.startswith("agents.")}
    run = {name for _, told in found for name in told.agents}
    if extra := sorted(run - configured):
        due_to = "They were taken out of the configuration, or disabled, after the service was started"
        yield ill(CHECK, f"run and are not configured: {', '.join(extra)}", due_to, _RESTART)
    if here and (missing := sorted(configured - run)):
        due_to = (
            "They were added after the service was started, it was started with some names only, or they die at once"
        )
        yield ill(CHECK, f"configured and do not run: {', '.join(missing)}", due_to, _RESTART)


_RESTART = "Stop the service (SIGTERM) and start it again: tocsin up"
