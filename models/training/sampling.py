"""A sample of bounded size that depends on what was offered, and not on the order or the batches it came in."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .hashing import Words, hashed

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass
class Sample:
    """Keeps the ``most`` rows whose names hash lowest: an even sample without replacement.

    Source: Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007.

    >>> sample = Sample(most=2, width=1, seed=np.uint64(1))
    >>> sample.offer(np.arange(100), np.arange(100.0)[:, None])
    >>> len(sample.rows()), sample.offered
    (2, 100)
    """

    most: int
    width: int
    seed: np.uint64
    offered: int = 0
    _keys: list[Words] = field(default_factory=list)
    _names: list[Ints] = field(default_factory=list)
    _rows: list[Floats] = field(default_factory=list)
    _held: int = 0

    def offer(self, names: Ints, rows: Floats) -> None:
        """Offer rows, float64[n, width]; ``names``, int64[n], are all different, over all offers."""
        self.offered += len(names)
        self._keys.append(hashed(names, self.seed))
        self._names.append(names)
        self._rows.append(rows)
        self._held += len(names)
        if self._held > 2 * self.most:
            self._shrink()

    def rows(self) -> Floats:
        """What is kept, float64[n, width] in the order of their names."""
        if not self._names:
            return np.zeros((0, self.width))
        self._shrink()
        return self._rows[0][np.argsort(self._names[0])]

    def _shrink(self) -> None:
        keys, names, rows = np.concatenate(self._keys), np.concatenate(self._names), np.concatenate(self._rows)
        if len(keys) > self.most:
            kept = np.argpartition(keys, self.most - 1)[: self.most]
            keys, names, rows = keys[kept], names[kept], rows[kept]
        self._keys, self._names, self._rows, self._held = [keys], [names], [rows], len(keys)
