"""Drift: has the law of a sensor's readings changed since the model was trained?"""

from .reference import Reference
from .state import State
from .test import DriftTest
from .words import DRIFTS, FAULTS, KINDS, Alarms

__all__ = ["DRIFTS", "FAULTS", "KINDS", "Alarms", "DriftTest", "Reference", "State"]
