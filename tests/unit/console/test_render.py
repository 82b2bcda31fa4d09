"""Lines that people read."""

from typing import Any

import pytest

from console.render import line, span, style
from contracts.events import (
    AlertAcknowledged,
    DeliveryAttempted,
    Event,
    NotificationFailed,
    NotificationSent,
    SilenceEnded,
    SilenceSet,
    SubscriberChanged,
    SubscriberNoted,
    SubscriberRemoved,
    SubscriberSet,
    SubscriberTested,
)
from contracts.instants import SECOND
from contracts.rows import event_row
from tests.unit.notification.alerts.sequence import T0, Scene, ack, over, signal, signalled, tick

ROUTED = {"route": {"receiver": "ann", "group_wait": "0s"}, "subscribers": {"ann": {"kind": "console"}}}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (3_600, "1 h"), (381_600, "4 d 10 h"), (3_661, "1 h 1 min"), (86_401, "1 d 1 s")],
)
def test_a_length_of_time_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


def said(event: Event) -> str:
    """What a line says behind time, type and place."""
    text = line(event_row(event))
    assert text.startswith("2023-11-14T22:13:2")
    return text[97:]


def made(kind: type[Event], **fields: Any) -> Event:
    return kind.of(cause="c", time=T0, asset="pump", **fields)


def test_the_life_of_an_alert_is_told_with_its_severity_and_who_changed_it() -> None:
    scene = Scene(**ROUTED)
    scene.feed(tick(0), signalled(0, signal("f1", severity="critical")), tick(1))
    scene.feed(ack(scene, 2), tick(3), signalled(4, over("f2", closes="f1")), tick(5))
    name = scene.changes[0].alert[:12]
    assert [said(change) for change in scene.changes] == [
        f"[critical] opened: pump: f1  {name}",
        f"[critical] acknowledged, by ann: pump: f1  {name}",
        f"[critical] resolved: pump: f1  {name}",
    ]
    assert [style(event_row(change)) for change in scene.changes] == ["bold red", "bold red", "green"]


def test_a_message_is_told_with_whom_it_is_for_and_why() -> None:
    scene = Scene(**ROUTED)
    scene.feed(tick(0), signalled(0, signal("f1")), tick(1))
    (message,) = scene.told
    assert said(message) == f"to ann (new): {message.subject}"
    plain = message.model_copy(update={"subscriber": "", "why": ""})
    assert said(plain) == message.subject, "as sinks without routes are told"


def test_signals_are_one_line_however_many_there_are() -> None:
    assert said(signalled(0, signal("f1"))) == "anomaly firing: pump: f1  from anomalies"
    several = signalled(0, signal("f1"), over("f2"), signal("f3"))
    assert said(several) == "anomaly firing: pump: f1, and 2 more  from anomalies"


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (made(AlertAcknowledged, alert="a" * 32, by="ann", note="on it", until=T0 + SECOND),
         "aaaaaaaaaaaa by ann until 2023-11-14T22:13:21Z: on it"),
        (made(AlertAcknowledged, alert="a" * 32, by="ann"), "aaaaaaaaaaaa by ann"),
        (made(SilenceEnded, silence="b" * 32, by="ann"), "bbbbbbbbbbbb by ann"),
        (made(SubscriberSet, name="mes", spec={"kind": "webhook", "url": "https://h/s3cret"}, by="ann"),
         "mes (webhook): set by ann"),
        (made(SubscriberRemoved, name="mes", by="ann"), "mes: removed by ann"),
        (made(SubscriberChanged, name="mes", state="disabled", by="warden", why="503"), "mes: disabled by warden: 503"),
        (made(SubscriberNoted, name="mes", spec={"kind": "console"}), "mes (console): set"),
        (made(SubscriberNoted, name="mes", removed=True), "mes: removed"),
        (made(SubscriberNoted, name="mes", state="paused"), "mes: paused"),
        (made(SubscriberTested, name="mes", by="ann"), "mes: a test is sent, by ann"),
        (made(DeliveryAttempted, subscriber="mes", key="k" * 32, attempt=2, latency_ms=1, error="503", retry_s=4.0),
         "to mes, try 2: 503, again after 4 s  kkkkkkkkkkkk"),
        (made(DeliveryAttempted, subscriber="mes", key="k" * 32, attempt=9, latency_ms=1, error="404"),
         "to mes, try 9: 404  kkkkkkkkkkkk"),
        (made(NotificationFailed, subscriber="mes", key="k" * 32, attempt=9, error="no answer"),
         "to mes, try 9: no answer  kkkkkkkkkkkk"),
        (made(NotificationSent, subscriber="mes", key="k" * 32, attempt=1, answer="200", latency_ms=3),
         "to mes, try 1: 200  kkkkkkkkkkkk"),
        (made(NotificationSent, subscriber="file", key="k" * 32, attempt=1), "to file, try 1: delivered  kkkkkkkkkkkk"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else "",
)  # fmt: skip
def test_what_concerns_alerts_and_subscribers_is_told_in_a_line(event: Event, text: str) -> None:
    assert said(event) == text


def test_a_silence_says_what_when_by_whom_and_its_name() -> None:
    event = made(SilenceSet, matchers=('asset="pump"',), starts=T0, ends=T0 + 60 * SECOND, by="ann", comment="service")
    span_of_it = "2023-11-14T22:13:20Z to 2023-11-14T22:14:20Z"
    assert said(event) == f'asset="pump"  {span_of_it}  by ann: service  {event.id[:12]}'


@pytest.mark.parametrize("evil", ["a\x1b[2Jb", "a\nb", "a\rb", "a\u202eb", "a\u2028b", "a\x9bb", "a\x00b"])
def test_no_text_from_outside_leaves_its_line(evil: str) -> None:
    events = [
        signalled(0, signal("f1", summary=evil)),
        made(SubscriberChanged, name="mes", state="paused", by=evil, why=evil),
        made(DeliveryAttempted, subscriber="mes", key="k", attempt=1, latency_ms=1, error=evil),
        SubscriberTested.of(cause="c", time=T0, asset="mes", name=evil, by=evil),
    ]
    for event in events:
        text = line(event_row(event))
        assert text.isprintable()
        assert "a\\" in text, "it is shown, and not left out"
