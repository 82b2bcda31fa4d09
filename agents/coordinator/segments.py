"""Segments: findings that follow each other in a lane, with everything about them that MLflow is told. Pure."""

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.events import Finding
from contracts.instants import iso
from models.files import content_digest

MOST = 2_000
#: Of one artifact once unpacked: far above 2,000 findings, far below what hurts.
MAX_BYTES = 256 << 20
_MS = 1_000_000
#: A param of MLflow holds 6,000 characters; a digest has 64.
_MOST_VALUES = 64


@dataclass(frozen=True)
class Lane:
    """One stream of one partition of one log."""

    store: str
    stream: str
    partition: int

    def __str__(self) -> str:
        return f"{self.store}:{self.stream}:{self.partition}"


@dataclass(frozen=True)
class Segment:
    """Findings with the range of ordinals that they stand for."""

    lane: Lane
    first: int
    last: int
    findings: Sequence[Finding]

    @property
    def name(self) -> str:
        """``stream:partition:first-last``."""
        return f"{self.lane.stream}:{self.lane.partition}:{self.first}-{self.last}"

    @property
    def lines(self) -> list[bytes]:
        """One JSON object per finding."""
        return [line(finding) for finding in self.findings]

    @property
    def body(self) -> bytes:
        """The lines, each with its end."""
        return b"".join(item + b"\n" for item in self.lines)

    @property
    def digest(self) -> str:
        """Of what was recorded, not of how it happens to be packed: zlib differs between builds of Python."""
        return content_digest(self.body)

    @property
    def params(self) -> dict[str, str]:
        """What is the same for many findings, written once."""
        names = ("bundle", "detector", "feature_set", "environment")
        return {name: _joined(getattr(finding, name) for finding in self.findings) for name in names}

    @property
    def metrics(self) -> dict[str, float]:
        """How many findings of each type."""
        counts = Counter(finding.type_name() for finding in self.findings)
        return {"findings": float(len(self.findings)), **{name: float(n) for name, n in sorted(counts.items())}}

    @property
    def at_ms(self) -> int:
        """Event time of the last finding, for the metrics; MLflow takes nothing before 1970."""
        return max(0, self.findings[-1].time // _MS)

    @property
    def source(self) -> str:
        """Where in the log the findings are."""
        place = {"store": self.lane.store, "stream": self.lane.stream, "partition": self.lane.partition}
        return _json(place | {"first": self.first, "last": self.last})

    @property
    def profile(self) -> str:
        """What the findings are about: their time, and the ranges of readings that they were made from."""
        times = [finding.time for finding in self.findings]
        evidence: dict[str, list[int]] = {}
        for finding in self.findings:
            seen = evidence.setdefault(finding.evidence.stream, [finding.evidence.first, finding.evidence.last])
            seen[0], seen[1] = min(seen[0], finding.evidence.first), max(seen[1], finding.evidence.last)
        about = {"findings": len(times), "since": iso(min(times)), "until": iso(max(times)), "evidence": evidence}
        return _json(about)


def line(finding: Finding) -> bytes:
    """A finding as one line of JSON, its type first."""
    return f'{{"type":"{finding.type_name()}",{finding.model_dump_json()[1:]}'.encode()


def cut(lane: Lane, first: int, last: int, findings: Sequence[Finding]) -> Iterator[Segment]:
    """Segments of at most 2,000 findings that cover the ordinals ``first`` to ``last`` without a gap.

    Ordinals are exact unless entries among them could not be read; those count for the last segment.
    """
    for start in range(0, len(findings), MOST):
        part = findings[start : start + MOST]
        end = last if start + MOST >= len(findings) else first + start + len(part) - 1
        yield Segment(lane, first + start, end, part)


def packed(body: bytes) -> bytes:
    """As the artifact holds it; without a time, so that the same body gives the same bytes."""
    return gzip.compress(body, compresslevel=6, mtime=0)


def unpacked(data: bytes) -> bytes:
    """The body of an artifact.

    Raises ValueError when it is damaged or unpacks to more than the limit.
    """
    inflater = zlib.decompressobj(wbits=31)
    try:
        body = inflater.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflater.eof or inflater.unused_data:
        raise ValueError("cut off, followed by something, or too large")
    return body


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def _joined(values: Iterator[str]) -> str:
    found = sorted(set(values) - {""}) or ["none"]
    if len(found) > _MOST_VALUES:
        return f"{len(found)} different ones: see the artifact"
    return ",".join(found)
