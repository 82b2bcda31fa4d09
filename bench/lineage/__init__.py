"""Benchmark of lineage: recording findings, and asking about them."""
