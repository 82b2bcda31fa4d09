"""Walks through the lineage: from an alert back to its readings, from a model or from data to all alerts."""
