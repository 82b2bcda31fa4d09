"""Detectors that look at all channels of an asset at once, found by kind."""

from typing import Any

from .levels import Judgement, Levels, LevelsState

__all__ = ["MULTIVARIATE", "Judgement", "Levels", "LevelsState"]

#: kind -> class, as ``models.detectors.DETECTORS`` has it for single series
MULTIVARIATE: dict[str, Any] = {Levels.kind: Levels}
