"""The drift agent: says when a series no longer follows the law of its reference."""

from .drift import Drift as Drift
