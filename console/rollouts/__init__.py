"""Rollouts as they are shown."""
