"""Processors at work: a lane per stream and partition, its recovery, and what becomes of events that kill."""
