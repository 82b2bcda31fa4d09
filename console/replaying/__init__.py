"""Replays that are asked for over HTTP: run one after the other, each in a process of its own, and kept."""
