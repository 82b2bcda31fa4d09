"""Alerts: what becomes of findings, who is told of it, and what they are like now."""

from .alerts import Alerts as Alerts
