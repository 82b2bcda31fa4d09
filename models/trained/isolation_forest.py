"""Isolation forest: how few random cuts it takes to part a vector from the rest."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .base import Arrays, Floats, Ints, Trained, across, enough
from .numbers import draws

ROWS = 4096  # vectors that go through the trees at once


class IsolationForest(Trained, frozen=True, extra="forbid"):
    """Trees that cut a sample of the training at random features and places; strange vectors end up alone early.

    The raw score is -E / c: E is the mean length of a vector's paths, c the one of an unsuccessful search in a binary
    tree of as many vectors. That is the logarithm to base 2 of the paper's score, which orders vectors alike: -1 is
    usual, 0 would be alone at once.

    The trees follow from the vectors and ``seed`` alone. A share is how many of a vector's cuts were by a feature,
    where cuts of short paths count more.

    Source: F. T. Liu, K. M. Ting and Z.-H. Zhou, Isolation forest, ICDM (2008) 413-422.

    >>> import numpy as np
    >>> from models.trained.numbers import draws
    >>> train = np.stack([draws(1, 0, 500), draws(1, 1, 500)], axis=1)
    >>> detector = IsolationForest()
    >>> arrays = detector.fit(train)
    >>> detector.score(arrays, np.array([[0.5, 0.5], [0.5, 3.0]])).round(2)
    array([-1.13, -0.73])
    """

    kind: ClassVar[str] = "isolation_forest"

    trees: int = Field(default=100, ge=1, le=1000, description="whose path lengths are averaged")
    sample: int = Field(default=256, ge=8, le=4096, description="vectors that a tree is grown from")
    seed: int = Field(default=1, ge=0, lt=1 << 63, description="of the random cuts")

    def fit(self, features: Floats) -> dict[str, NDArray[Any]]:
        """Per tree and node: feature int64[trees, nodes], -1 in leaves; place; in leaves the length of the path.

        The children of node i are 2 i + 1, whose values are below the place, and 2 i + 2.
        """
        enough(features, self.fewest)
        size = min(self.sample, len(features))
        depth = (size - 1).bit_length()
        nodes = (2 << depth) - 1
        by = np.full((self.trees, nodes), -1, np.int64)
        place, length = np.zeros((self.trees, nodes)), np.zeros((self.trees, nodes))
        usual = [_usual(n) for n in range(size + 1)]
        for tree in range(self.trees):
            chosen = np.argsort(draws(self.seed, 2 * tree, len(features)), kind="stable")[:size]
            self._grow(
                features[chosen],
                draws(self.seed, 2 * tree + 1, 2 * nodes),
                usual,
                (by[tree], place[tree], length[tree]),
            )
        return {
            "state/feature": by,
            "state/place": place,
            "state/length": length,
            "state/usual": np.array([usual[size]]),
        }

    def _grow(self, sample: Floats, numbers: Floats, usual: list[float], tree: tuple[Ints, Floats, Floats]) -> None:
        by, place, length = tree
        todo = [(0, 0, sample)]
        deepest = (len(by) + 1).bit_length() - 2
        while todo:
            node, depth, inside = todo.pop()
            low, high = inside.min(axis=0), inside.max(axis=0)
            varied = np.flatnonzero(high > low)
            if depth == deepest or not len(varied):
                length[node] = depth + usual[len(inside)]
                continue
            chosen = int(varied[int(numbers[2 * node] * len(varied))])
            at = float(low[chosen] + numbers[2 * node + 1] * (high[chosen] - low[chosen]))
            # Neither side may be empty, also where rounding puts the place on the lower end.
            at = at if at > low[chosen] else float(high[chosen])
            by[node], place[node] = chosen, at
            below = inside[:, chosen] < at
            todo += [(2 * node + 1, depth + 1, inside[below]), (2 * node + 2, depth + 1, inside[~below])]

    def raw(self, arrays: Arrays, features: Floats) -> Floats:
        """The logarithm of the paper's score."""
        out = np.empty(len(features))
        for top in range(0, len(features), ROWS):
            at = slice(top, top + ROWS)
            leaf, _ = self._walk(arrays, features[at])
            lengths = arrays["state/length"][np.arange(leaf.shape[1]), leaf]
            out[at] = -(across(lengths) / leaf.shape[1]) / arrays["state/usual"][0]
        return out

    def parts(self, arrays: Arrays, features: Floats) -> Floats:
        """Of the cuts on a vector's paths, each weighted with 1 / the square of the path's length."""
        out = np.empty(features.shape)
        for top in range(0, len(features), ROWS):
            at = slice(top, top + ROWS)
            leaf, path = self._walk(arrays, features[at])
            weight = 1.0 / np.maximum(arrays["state/length"][np.arange(leaf.shape[1]), leaf], 1.0) ** 2
            parts = [across(across((path == j) * weight[:, :, None])) for j in range(features.shape[1])]
            out[at] = np.stack(parts, axis=1)
        return out

    @staticmethod
    def _walk(arrays: Arrays, features: Floats) -> tuple[Ints, Ints]:
        """The leaf of each vector in each tree, int64[m, trees]; the features on the way, int64[m, trees, depth]."""
        by, place = arrays["state/feature"], arrays["state/place"]
        tree, rows = np.arange(len(by)), np.arange(len(features))[:, None]
        depth = (by.shape[1] + 1).bit_length() - 2
        node = np.zeros((len(features), len(by)), np.int64)
        path = np.full((*node.shape, depth), -1, np.int64)
        for level in range(depth):
            chosen = by[tree, node]
            path[:, :, level] = chosen
            right = features[rows, chosen] >= place[tree, node]
            node = np.where(chosen < 0, node, 2 * node + 1 + right)
        return node, path


def _usual(n: int) -> float:
    """Mean length of an unsuccessful search in a binary tree of n; harmonic numbers are added up, not approximated."""
    return 0.0 if n < 2 else 2.0 * sum(1.0 / i for i in range(n - 1, 0, -1)) - 2.0 * (n - 1) / n
