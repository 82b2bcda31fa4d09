"""What the checks are given: the settings, how thorough to be, and from where on something is wrong."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agents.clock import Clock
from bus.embedded import MAX_SOCKET_PATH
from contracts.settings import Settings

if TYPE_CHECKING:
    from agents.topology import Topology


@dataclass(frozen=True)
class Limits:
    """From where on something is worth a word."""

    timeout_s: float = 5.0
    """for one check"""
    free_share: float = 0.05
    free_bytes: int = 1_000_000_000
    lag_events: int = 10_000
    patience_s: float = 6.0
    """how long a task that is behind may stand still: a recorder waits 2 s for more, imports take 3 s"""
    skew_s: float = 1.0
    memory_warn: float = 0.70
    memory_fail: float = 0.85


@dataclass(frozen=True)
class Scene:
    """The surroundings of a check; ``settings`` are the defaults where the configuration cannot be read."""

    settings: Settings
    topology: "Topology | None" = None
    quick: bool = False
    limits: Limits = field(default_factory=Limits)
    clock: Clock = field(default_factory=Clock)

    @property
    def data_dir(self) -> Path:
        """Everything that is kept locally."""
        return self.settings.data_dir

    @property
    def store_file(self) -> Path:
        """Where the identity of the log is remembered."""
        return self.data_dir / "store-id"

    @property
    def server_dir(self) -> Path:
        """The folder of the embedded server."""
        return self.data_dir / "redis"

    @property
    def socket(self) -> Path:
        """Where the embedded server listens, if its path is not too long for the kernel."""
        return self.server_dir.absolute() / "valkey.sock"

    @property
    def socket_fits(self) -> bool:
        """Whether the socket is where we look for it."""
        return len(str(self.socket).encode()) <= MAX_SOCKET_PATH
