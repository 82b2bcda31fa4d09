"""Validation: which readings can be believed, and which series are in trouble."""

from .rules import Rule
from .validation import Validation

__all__ = ["Rule", "Validation"]
