"""Archiving at work: segments, copies of states, and what may be trimmed then."""
