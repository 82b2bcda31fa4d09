"""What a part is told of its surroundings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.sections import ModelsSettings
from contracts.settings import Settings


@dataclass(frozen=True)
class Program:
    """How a command of ours is run in a process of its own: ``command``, its arguments, then ``options``."""

    command: Sequence[str]
    options: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Context:
    """What a part may know of its surroundings when it is prepared."""

    agent: str
    data_dir: Path
    live: bool = True
    """False in a batch run: nobody waits for what has not been read yet."""
    models: ModelsSettings = ModelsSettings()
    """Where bundles come from, and whom they are accepted from."""
    endless: tuple[str, ...] = ()
    """The sources that go on for ever."""
    partitions: int = 1
    """Into how many parts the log is split: a processor sees the assets of one of them."""
    program: Program | None = None
    """For chores whose work needs a process of its own; None where there is no command line."""
    settings: Callable[[], Settings] | None = None
    """Reads the configuration as it stands now. Raises ConfigError. None where nobody has it."""
    tasks: tuple[str, ...] = ()
    """All tasks of the configuration that keep a position, also those of other processes."""
