"""Subscribers at the command line: who is told, and what became of it."""
