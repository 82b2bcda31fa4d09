"""Findings in words: what, where, when, how strong, why, and what to do next."""

from contracts.events import AnomalyDetected, DataQualityIncident, DriftDetected
from contracts.identity import series_name
from contracts.instants import iso

Opening = AnomalyDetected | DriftDetected | DataQualityIncident
_SUBJECT_LENGTH = 200


def place(finding: Opening) -> str:
    """``pump-1/temperature``, or the asset alone."""
    return series_name(finding.asset, finding.channel)


def what(finding: Opening) -> str:
    """A few words without the place: ``anomaly, score 0.93``."""
    if isinstance(finding, AnomalyDetected):
        return f"anomaly, score {finding.score:.2f}"
    if isinstance(finding, DriftDetected):
        kind = finding.kind if finding.kind == "new asset" else f"drift of {finding.kind}"
        return kind + (f" ({finding.direction})" if finding.direction != "none" else "")
    return f"bad data: {finding.kind}"


def subject(finding: Opening) -> str:
    """One line that says what and where."""
    line = f"[{finding.severity}] {place(finding)}: {what(finding)}"
    return line if len(line) <= _SUBJECT_LENGTH else f"{line[: _SUBJECT_LENGTH - 1]}…"


def body(finding: Opening, kept_back: int) -> str:
    """A few lines; ``kept_back`` says how many like it were not notified since the last time."""
    lines = [f"Where: {place(finding)}", f"When: {iso(finding.time)}", *particulars(finding)]
    if kept_back:
        lines.append(f"Further: {kept_back:,} more like this since the last notification")
    lines.append(f"Next: tocsin lineage {finding.id}")
    return "\n".join(lines)


def particulars(finding: Opening) -> list[str]:
    """How strong it is, and why: a line each."""
    if isinstance(finding, AnomalyDetected):
        lines = [
            f"How strong: score {finding.score:.3f}, threshold {finding.threshold:.3g}",
            f"Why: {finding.reason} (value {finding.value:.6g}, detector {finding.detector})",
        ]
        about = _about(finding.channel)
        return [*lines, f"What that is: {about}"] if about else lines
    if isinstance(finding, DriftDetected):
        lines = [
            f"How strong: {finding.effect:.3g} {finding.unit} (between {finding.effect_low:.3g} and "
            f"{finding.effect_high:.3g})",
            f"Why: {finding.kind} is not as in the reference since about {iso(finding.since)}; the test is "
            f"{finding.evidence_value:.3g} times its threshold",
        ]
        if finding.kind == "new asset":
            lines = []
        return [*lines, f"Likely because: {finding.detail}"] if finding.detail else lines
    return [f"Why: {finding.detail}", f"Since: {iso(finding.since)}"]


def _about(channel: str) -> str:
    from models.signals.bearing import meaning

    return meaning(channel)
