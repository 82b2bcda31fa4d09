"""Feature vectors for these tests."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def healthy(count: int, seed: int = 1) -> Floats:
    """Four features: two that go together, one skewed, one that never changes."""
    rng = np.random.default_rng(seed)
    load = rng.normal(0, 1, count)
    return np.stack(
        (load, 2 * load + rng.normal(0, 0.2, count), rng.gamma(2.0, 1.0, count), np.full(count, 0.1)), axis=1
    )


def faulty(count: int, seed: int = 2) -> Floats:
    """The second feature does not go with the first any more; each alone is as usual."""
    out = healthy(count, seed)
    out[:, 1] = -out[:, 1]
    out[:, 0] = np.where(np.abs(out[:, 0]) < 0.7, 0.7, out[:, 0])
    out[:, 1] = -2 * out[:, 0]
    return out
