"""The coordinator: writes down in MLflow what led to each finding, and publishes the bundles that are served."""

from .coordinator import Coordinator
from .lineage import LineageRecorder
from .publisher import Publisher

__all__ = ["Coordinator", "LineageRecorder", "Publisher"]
