"""What the doctor minds and no step mends: left to people, with the doctor's own words for what to do."""

from collections.abc import Iterable, Iterator, Mapping

from ..checks.finding import Finding
from .step import LOSS, PIPELINE, TRAINING, Level, Step

#: What only hurts one day is no reason for a recovery.
_WORTH_A_WORD = ("log.", "training", "subscribers", "routes", "undelivered", "served-models")
#: Checks that steps of their own are about, by the name of the step that was found.
_COVERED: dict[str, str | tuple[str, ...]] = {
    "orphans": "orphans",
    "log.stopped": ("stopped", "reset."),
    "log.readers": "retire.",
    "log.dead-letters": ("dead-letters", "redrive", "drop"),
    "embedded-server": ("restore", "start-over", "accept"),
    "redis.store": ("restore", "start-over", "accept"),
    "training-runs": "training",
}


def steps(findings: Mapping[str, Finding], planned: Iterable[str]) -> Iterator[Step]:
    """A step for each finding that is left; ``planned`` are the names of those that mend something."""
    names = tuple(planned)
    for finding in findings.values():
        minded = finding.status == "fail" or (finding.status == "warn" and finding.check.startswith(_WORTH_A_WORD))
        covered = _COVERED.get(finding.check)
        if minded and not (covered and any(name.startswith(covered) for name in names)):
            wrong = f"{finding.found}. {finding.cause}" if finding.cause else finding.found
            yield Step(finding.check, _level(finding), wrong, "see what the doctor says", finding.mend, safe=False)


def _level(finding: Finding) -> Level:
    if finding.check.startswith(("training", "metric")):
        return TRAINING
    return LOSS if finding.check in ("redis.store", "data-dir") else PIPELINE
