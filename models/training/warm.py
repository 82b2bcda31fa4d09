"""What streaming detectors know of series at the end of a range, as arrays of a bundle: serving begins there."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The names of the series, one after the other, each ended by a line feed, as UTF-8.
NAMES = "state/names"


@dataclass
class Warm:
    """Puts the states of all partitions together, for at most ``most`` series."""

    detector: Any
    most: int
    names: list[str] = field(default_factory=list)
    _parts: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    _over: bool = False

    def add(self, names: list[str], state: Any) -> None:
        """The state of the series of a partition, in the order of their numbers."""
        if self._over or len(self.names) + len(names) > self.most:
            # Rather none than some: which series begin warm would depend on their partition.
            self._over, self._parts, self.names = True, [], []
            return
        self.names += names
        self._parts.append({name: array[: len(names)].copy() for name, array, _ in state.arrays()})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """``state/names`` and ``state/FIELD`` with a row for each; empty where there were too many series."""
        if not self._parts:
            return {}
        fields = {f"state/{name}": np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        text = "".join(f"{name}\n" for name in self.names).encode()
        return {NAMES: np.frombuffer(text, np.uint8).copy(), **fields}
