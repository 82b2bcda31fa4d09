"""What a recovery knows of the installation before it does anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents.clock import Clock
from agents.topology import Topology
from bus.history import History
from bus.redis.bus import RedisBus

from ..checks.finding import Finding
from ..options import Loaded


@dataclass(frozen=True)
class Case:
    """``findings`` are those of the doctor, by check; ``backups`` the folder below which backups are looked for."""

    loaded: Loaded
    findings: Mapping[str, Finding]
    by: str
    backups: Path
    clock: Clock = field(default_factory=Clock)

    @property
    def data_dir(self) -> Path:
        """Everything that is kept locally."""
        return self.loaded.settings.data_dir

    @property
    def stamp(self) -> str:
        """A name for what is set aside now: seconds since 1970."""
        return str(self.clock.wall_ns() // 1_000_000_000)

    def failed(self, check: str, words: str = "") -> bool:
        """Whether the doctor minds this, in these words."""
        found = self.findings.get(check)
        return found is not None and found.status == "fail" and words in found.found

    def fine(self, check: str) -> bool:
        """Whether the doctor looked at this and minds nothing."""
        found = self.findings.get(check)
        return found is not None and found.status == "ok"


@dataclass(frozen=True)
class Opened:
    """A case whose log can be read and written."""

    case: Case
    topology: Topology
    bus: RedisBus
    history: History
