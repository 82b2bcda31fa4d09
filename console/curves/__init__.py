"""Curves: what a series was like over time, thinned to what can be seen, with what happened to it."""
