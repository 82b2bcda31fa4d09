"""Findings as alerts see them: which of them are about one trouble, and which say that it is over."""

from functools import singledispatch
from typing import Any

from contracts.events import (
    AnomalyCleared,
    AnomalyDetected,
    DataQualityIncident,
    DriftDetected,
    DriftReferenced,
    Event,
    HealthChanged,
    PrecisionFell,
    RolloutChanged,
    ScoresDrifted,
    Severity,
    Signal,
    SubscriberChanged,
    SubscriberRemoved,
)

from ..wording import particulars, place, what

#: All that may become a signal.
Found = (
    AnomalyDetected
    | AnomalyCleared
    | DriftDetected
    | DriftReferenced
    | DataQualityIncident
    | ScoresDrifted
    | PrecisionFell
    | HealthChanged
    | RolloutChanged
    | SubscriberChanged
    | SubscriberRemoved
)

_SUMMARY, _DETAIL, _LABEL = 200, 1_000, 64
_MOST_CHANNELS = 8
_NEW = "new asset"


@singledispatch
def signal_of(event: Event) -> Signal | None:
    """The signal that a finding is; None for what is none."""
    return None


@signal_of.register
def _(event: AnomalyDetected) -> Signal:
    # Several channels of a machine are one trouble; what tells them apart is the detector.
    labels = {"detector": event.detector, "what": "asset" if event.contributions else event.reason}
    return _opening(
        event, _anomaly(event), score=event.score, bundle=event.bundle, labels=labels,
        contributions=_largest(event.contributions),
    )  # fmt: skip


@signal_of.register
def _(event: AnomalyCleared) -> Signal:
    return _over(event, _anomaly(event), "anomaly", f"{event.asset}: the anomaly is over", closes=event.cause)


@signal_of.register
def _(event: DriftDetected) -> Signal:
    # That there is a new machine must not hide what drifts on it later.
    key = _key("drift", event.asset, _NEW) if event.kind == _NEW else _key("drift", event.asset)
    return _opening(event, key, bundle=event.bundle, labels={"detector": event.detector, "what": event.kind})


@signal_of.register
def _(event: DriftReferenced) -> Signal:
    told = f"{event.asset}/{event.channel} is compared with another reference, as {event.by} wanted"
    return _over(event, _key("drift", event.asset), "drift", told)


@signal_of.register
def _(event: DataQualityIncident) -> Signal:
    key = _key("data", event.asset, event.channel, event.kind)
    if event.state == "closed":
        return _over(event, key, "data", f"{place(event)}: {event.kind} is over")
    return _opening(event, key, labels={"what": event.kind})


@signal_of.register
def _(event: ScoresDrifted) -> Signal:
    told = f"scores of {event.agent} drifted: {event.statistic}, {event.kind} ({event.direction})"
    detail = (
        f"How strong: {event.effect:.3g} {event.unit} (between {event.effect_low:.3g} and {event.effect_high:.3g})\n"
        f"Why: the model's scores are no longer distributed as they were at first; bundle {event.bundle}"
    )
    return _firing(
        event, _key("scores", event.bundle, event.agent), "scores", event.severity, told, detail,
        bundle=event.bundle, labels={"agent": event.agent, "what": event.statistic},
    )  # fmt: skip


@signal_of.register
def _(event: PrecisionFell) -> Signal:
    told = f"precision fell: {event.precision:.0%} of the labelled alerts are right, {event.least:.0%} were asked for"
    detail = (
        f"How strong: between {event.low:.3g} and {event.high:.3g}, by {event.labels:,} labels\n"
        f"Why: more false alarms than chance explains; bundle {event.bundle}"
    )
    key = _key("precision", event.bundle, event.asset)
    return _firing(event, key, "precision", "warning", told, detail, bundle=event.bundle)


@signal_of.register
def _(event: HealthChanged) -> Signal:
    key = _key("health", event.check)
    if event.state == "ok":
        return _over(event, key, "health", f"{event.check}: {event.found}")
    lines = [f"Why: {event.due_to}"] * bool(event.due_to) + [f"Mend: {event.mend}"] * bool(event.mend)
    severity: Severity = "critical" if event.state == "failed" else "warning"
    labels = {"check": event.check, "what": event.check}
    return _firing(event, key, "health", severity, f"{event.check}: {event.found}", "\n".join(lines), labels=labels)


@signal_of.register
def _(event: RolloutChanged) -> Signal:
    key = _key("rollout", event.agent)
    if event.state != "aborted":
        return _over(event, key, "rollout", f"rollout of {event.agent} is {event.state}")
    told, bundle = f"rollout of {event.agent} was aborted by {event.by}", event.candidate.bundle
    labels = {"agent": event.agent, "what": "aborted"}
    return _firing(event, key, "rollout", "warning", told, f"Why: {event.why}", bundle=bundle, labels=labels)


@signal_of.register
def _(event: SubscriberChanged) -> Signal:
    key, labels = _key("delivery", event.name), {"subscriber": event.name, "what": event.state}
    if event.state != "disabled":
        return _over(event, key, "delivery", f"{event.name} is {event.state}")
    told = f"subscriber {event.name} was disabled"
    return _firing(event, key, "delivery", "critical", told, f"Why: {event.why}", labels=labels)


@signal_of.register
def _(event: SubscriberRemoved) -> Signal:
    return _over(event, _key("delivery", event.name), "delivery", f"subscriber {event.name} was removed")


def _anomaly(event: AnomalyDetected | AnomalyCleared) -> str:
    return _key("anomaly", event.asset, event.detector)


def _opening(event: AnomalyDetected | DriftDetected | DataQualityIncident, key: str, **more: Any) -> Signal:
    told, detail = f"{place(event)}: {what(event)}", "\n".join(particulars(event))
    return _firing(event, key, key.partition("/")[0], event.severity, told, detail, **more)


def _firing(
    event: Event, key: str, kind: Any, severity: Severity, told: str, detail: str,
    *, labels: dict[str, str] | None = None, **more: Any,
) -> Signal:  # fmt: skip
    return Signal(
        key=key,
        kind=kind,
        state="firing",
        finding=event.id,
        asset=event.asset,
        channel=event.channel,
        at=event.time,
        severity=severity,
        labels={"alertname": kind} | {name: text[:_LABEL] for name, text in (labels or {}).items()},
        summary=_line(told),
        detail=_cut(detail, _DETAIL),
        **more,
    )


def _over(event: Event, key: str, kind: Any, told: str, *, closes: str = "") -> Signal:
    return Signal(
        key=key,
        kind=kind,
        state="resolved",
        finding=event.id,
        closes=closes,
        asset=event.asset,
        channel=event.channel,
        at=event.time,
        severity="info",
        summary=_line(told),
    )


def _largest(contributions: dict[str, float]) -> dict[str, float]:
    chosen = sorted(contributions.items(), key=lambda item: (-abs(item[1]), item[0]))
    return dict(chosen[:_MOST_CHANNELS])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _line(text: str) -> str:
    """What somebody wrote may have several lines: here it is one, whatever is in it."""
    return _cut(" ".join(text.split()), _SUMMARY)


def _key(*parts: str) -> str:
    # Names hold no slash, so that no two troubles have the same text; free words stand last.
    return "/".join(parts)
