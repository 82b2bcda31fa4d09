"""Findings that are the same in every run."""

from contracts.events import AnomalyDetected, Evidence, ReadingsAccepted

SECOND = 1_000_000_000
SEGMENT = 2_000
#: Readings of each partition, and how many of them a finding names.
READINGS, NAMED = 50_000, 60


def finding(partition: int, ordinal: int, bundle: str) -> AnomalyDetected:
    """One alert; nine in ten have neighbours of the same asset."""
    first = ordinal * 37 % (READINGS - NAMED) + 1
    return AnomalyDetected.of(
        cause=f"{partition}-{ordinal}", time=ordinal * SECOND, asset=f"pump-{partition}-{ordinal % 50}", channel="flow",
        score=0.9731, threshold=0.9, reason="level", value=ordinal / 7, detector="ewma", bundle=bundle,
        feature_set="f" * 32, environment="e" * 32,
        evidence=Evidence(stream=ReadingsAccepted.stream, first=first, last=first + NAMED - 1),
    )  # fmt: skip
