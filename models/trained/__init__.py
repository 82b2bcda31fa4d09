"""Detectors that are fitted on feature vectors, one per file, found by kind, and the postprocessor for their scores."""

import importlib
import pkgutil

from .base import Trained
from .calibration import Calibrated, Judged
from .numbers import golden_inputs

__all__ = ["POSTPROCESSORS", "TRAINED", "Calibrated", "Judged", "Trained", "golden_inputs"]


def _found() -> dict[str, type[Trained]]:
    kinds: dict[str, type[Trained]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for item in vars(module).values():
            if isinstance(item, type) and issubclass(item, Trained) and "kind" in vars(item):
                kinds[item.kind] = item
    return dict(sorted(kinds.items()))


#: kind -> class
TRAINED: dict[str, type[Trained]] = _found()
POSTPROCESSORS: dict[str, type[Calibrated]] = {Calibrated.kind: Calibrated}
