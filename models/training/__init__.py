"""Training: the past read again by the code that serves, detectors fitted on it, compared, and made into bundles."""

from .labels import Known, Labels
from .result import Candidate, Result, key_of
from .training import Outcome, Training, View

__all__ = ["Candidate", "Known", "Labels", "Outcome", "Result", "Training", "View", "key_of"]
