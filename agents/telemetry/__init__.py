"""What a process can say of itself: numbers for Prometheus and ``tocsin top``, and spans for OpenTelemetry."""

from .families import FAMILIES, Family, Kind
from .metered import metered
from .metrics import Metrics
from .reports import Report, Reporter, read_reports
from .telemetry import Telemetry

__all__ = ["FAMILIES", "Family", "Kind", "Metrics", "Report", "Reporter", "Telemetry", "metered", "read_reports"]
