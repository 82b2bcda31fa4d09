"""Sinks at work: what a member of a group is given, which delivery is next, and how each ended."""
