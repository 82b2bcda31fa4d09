"""Detectors, one per file, found by kind."""

import importlib
import pkgutil
from typing import Any

from .base import Detector, Scores, State, score_batch

__all__ = ["DETECTORS", "Detector", "Scores", "State", "score_batch"]


def _found() -> dict[str, type[Detector[Any]]]:
    kinds: dict[str, type[Detector[Any]]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for item in vars(module).values():
            if isinstance(item, type) and issubclass(item, Detector) and "kind" in vars(item):
                kinds[item.kind] = item
    return dict(sorted(kinds.items()))


DETECTORS: dict[str, type[Detector[Any]]] = _found()
