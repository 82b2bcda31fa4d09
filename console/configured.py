"""The agents of a configuration, for a process that runs none of them."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from contracts.settings import Settings
from contracts.yamlfile import YamlFile

if TYPE_CHECKING:
    from agents.topology import Topology


@dataclass
class Configured:
    """Builds them when they are asked for first: that imports them all, which takes seconds."""

    settings: Settings
    file: YamlFile
    _topology: "Topology | None" = None
    _building: anyio.Lock = field(default_factory=anyio.Lock)

    async def topology(self) -> "Topology":
        """All parts. Raises ConfigError where the agents cannot be built."""
        async with self._building:
            if self._topology is None:
                self._topology = await to_thread.run_sync(self._built)
            return self._topology

    def _built(self) -> "Topology":
        from agents.topology import Topology

        return Topology.of(self.settings, self.file)
