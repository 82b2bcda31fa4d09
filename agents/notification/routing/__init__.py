"""Routing: who is told of which alerts, and when. Pure; Alertmanager's words and decisions."""

from .groups import Entering
from .routing import Routing, RoutingState
from .telling import Known, Telling

__all__ = ["Entering", "Known", "Routing", "RoutingState", "Telling"]
