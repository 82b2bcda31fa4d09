"""Alerts measured from the reading to the receiver, beside Prometheus with Alertmanager."""
