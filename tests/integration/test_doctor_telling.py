"""The doctor on subscribers and routes: it finds each fault that is planted, and says whom it concerns."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from agents.letters import boxed
from agents.notification.delivery.vault import vault_of
from bus.protocol import Bus, Place
from console.checks import telling
from console.checks.finding import Finding
from contracts.events import (
    DeadLetterDropped,
    DeadLettered,
    Event,
    NotificationDue,
    SubscriberChanged,
    SubscriberSet,
)
from contracts.frames import encode
from contracts.identity import home_of
from tests.integration.faults import assert_told
from tests.integration.test_doctor import Home, look, wrong
from tests.integration.test_doctor import home as home  # the fixture

ANN = {"kind": "webhook", "url": "https://ann.example/hook"}
CONFIG: dict[str, Any] = {
    "bus": {"partitions": 2},
    "agents": {"acquisition": {"sources": {"push": {"kind": "http"}}}, "validation": {}, "notification": {}},
    "alerting": {
        "route": {"receiver": "duty", "routes": [{"matchers": ['asset="fan"'], "receiver": "bob"}]},
        "receivers": {"duty": {"steps": [{"tell": ["ann"]}]}},
        "subscribers": {"bob": {"kind": "console"}},
    },
}
LOOKED_AT = set(telling.NAMES)


@pytest.fixture
def site(home: Home) -> Home:
    """A route to a subscriber of the configuration, and one to whom the log tells of, with a secret."""
    configure(home, subscribers={"bob": {"kind": "console"}, "ann": ANN})
    vault_of(home.data_dir).put("carl", {"secret": "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"})
    append(home, about("carl", SubscriberSet, spec={"kind": "webhook", "url": "https://carl.example/hook"}, by="x"))
    return home


def minded(findings: dict[str, Finding]) -> dict[str, str]:
    """Of these checks and that of letters; nothing runs here, so tasks are behind."""
    return {name: status for name, status in wrong(findings).items() if name in {*telling.NAMES, "log.dead-letters"}}


def configure(home: Home, **alerting: Any) -> None:
    home.config.write_text(json.dumps(CONFIG | {"alerting": CONFIG["alerting"] | alerting}))


def about(name: str, kind: type[Event], **fields: Any) -> Event:
    return kind.of(cause=name, time=1, asset=name, discriminator=str(fields), name=name, **fields)


def turned(name: str, state: str) -> Event:
    return about(name, SubscriberChanged, state=state, by="warden", why="503, 50 times")


def append(home: Home, *events: Event) -> None:
    """Each goes where those of its stream stand."""

    async def act(bus: Bus) -> None:
        for event in events:
            place = Place(event.stream, home_of(event.stream, bus.partitions))
            await bus.append(place, list(encode([event], "test")))

    home.on_bus(act)


def test_whoever_can_be_told_is_no_finding(site: Home) -> None:
    append(site, turned("carl", "paused"))
    findings = look(site.choices)
    assert minded(findings) == {}
    assert {name for name in telling.NAMES if findings[name].status == "ok"} == LOOKED_AT
    assert findings["subscribers"].found == "3 of them, 1 paused"


def test_without_alerting_there_is_nothing_to_look_at(home: Home) -> None:
    findings = look(home.choices)
    assert minded(findings) == {}
    assert {name for name in telling.NAMES if findings[name].status == "skip"} == LOOKED_AT


def disabled(home: Home) -> str:
    """One that no route needs."""
    append(home, turned("carl", "disabled"))
    return "told nothing: carl (disabled)"


def paused(home: Home) -> str:
    append(home, turned("ann", "paused"))
    return "routes lead to nobody who can be told now: duty"


def all_paused(home: Home) -> str:
    append(home, turned("ann", "paused"), turned("bob", "paused"))
    return "nobody is told of any alert"


def expired(home: Home) -> str:
    configure(home, subscribers={"bob": {"kind": "console"}, "ann": ANN | {"expires": "2026-01-01T00:00:00Z"}})
    return "routes lead to nobody who can be told now: duty"


def nobody_on_call(home: Home) -> str:
    """The turns begin in a hundred years."""
    late = {"subscribers": ["ann"], "begins": "2126-01-01T00:00:00Z"}
    subscribers = {"bob": {"kind": "console"}, "ann": ANN}
    configure(
        home, subscribers=subscribers, schedules={"week": late}, receivers={"duty": {"steps": [{"tell": ["week"]}]}}
    )
    return "routes lead to nobody who can be told now: duty"


def readable(home: Home) -> str:
    path = vault_of(home.data_dir).path
    path.chmod(0o640)
    return f"{path} has mode 640"


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (disabled, "a disabled subscriber"),
        (paused, "a route to somebody who is paused"),
        (all_paused, "nobody who is told"),
        (expired, "a subscriber that expired"),
        (nobody_on_call, "nobody on call"),
        (readable, "secrets that others can read"),
    ],
)
def test_a_planted_fault_is_found(site: Home, plant: Callable[[Home], str], name: str) -> None:
    expected = plant(site)
    # Nothing runs here, so tasks are behind.
    assert assert_told(look(site.choices), name, also=["log.lag"]).found == expected


def test_somebody_who_subscribes_without_a_route_is_told(site: Home) -> None:
    append(site, turned("ann", "paused"), turned("bob", "paused"))
    append(site, about("dora", SubscriberSet, spec={"kind": "console", "events": ["all"]}, by="x"))
    assert minded(look(site.choices)) == {"routes": "warn"}


def test_what_could_not_be_delivered_is_found_until_somebody_decides(site: Home) -> None:
    due = NotificationDue.of(
        cause="c", time=1, asset="pump", subject="s", body="b", severity="info", finding="f", key="k", subscriber="ann"
    )
    frame = next(iter(encode([due], "notification.alerts")))
    letter = DeadLettered.of(
        cause="l", time=2, asset="notification.delivery", agent="notification.delivery", origin="notifications",
        position=1, reason="503", frame=boxed(frame.fields()),
    )  # fmt: skip
    append(site, letter)
    findings = look(site.choices)
    assert_told(findings, "messages that were not delivered", also=["log.dead-letters", "log.lag"])
    assert findings["undelivered"].found == "messages that could not be delivered: ann 1"
    assert "tocsin subscribers redeliver ann" in findings["undelivered"].mend
    dropped = DeadLetterDropped.of(cause="d", time=3, asset="x", agent=letter.agent, letter=letter.id, by="ann")
    append(site, dropped)
    assert minded(look(site.choices)) == {}


def test_what_was_set_by_a_newer_version_is_named(site: Home) -> None:
    append(site, about("carl", SubscriberSet, spec={"kind": "carrier pigeon"}, by="x"))
    findings = look(site.choices)
    assert_told(findings, "a subscriber that is not usable", also=["log.lag"])
    assert findings["subscribers"].found == "told nothing: carl (not usable)"


def test_a_route_to_somebody_who_is_on_call_leads_to_somebody(site: Home) -> None:
    week = {"subscribers": ["ann"], "begins": "2026-01-01T00:00:00Z"}
    subscribers = {"bob": {"kind": "console"}, "ann": ANN}
    receivers = {"duty": {"steps": [{"tell": ["week"]}]}}
    configure(site, subscribers=subscribers, schedules={"week": week}, receivers=receivers)
    assert look(site.choices)["routes"].found == "2 receivers can be told, 0 subscribe by themselves"
