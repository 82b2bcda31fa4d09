"""Rollouts: what a candidate did beside the champion, and whether that is a reason to end it."""
