"""tocsin subscribers: what is taken from a command line, and what is printed of what receivers and people said."""

import json
from pathlib import Path
from typing import Any

import click
import pytest

from agents.notification.delivery.vault import vault_of
from bus.archive import Archive
from bus.history import history_of
from bus.memory import MemoryBus
from bus.protocol import Place
from console.acting import subscribers as acting
from console.acting.actor import Actor
from console.alerting.session import Session
from console.cli import main
from console.options import Loaded
from console.output import line
from console.subscribing import changing, deliveries, listing
from contracts.errors import NotFound
from contracts.events import (
    AnyEvent,
    DeliveryAttempted,
    NotificationFailed,
    NotificationSent,
    SubscriberSet,
)
from contracts.frames import encode
from contracts.identity import home_of
from contracts.instants import SECOND
from contracts.settings import Settings
from contracts.yamlfile import YamlFile

CANARY = "canary-77f1"
EVIL = "a\x1b[2J\u202eb\rc\nd"
T0 = 1_700_000_000 * SECOND


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["subscribers", *arguments])
    said = capsys.readouterr()
    return end.value.code, said.out, said.err


def settings_of(folder: Path, **subscribers: Any) -> Settings:
    alerting = {"subscribers": {"screen": {"kind": "console"}, **subscribers}}
    return Settings.model_validate({"data_dir": folder, "alerting": alerting, "agents": {"notification": {}}})


async def put(bus: MemoryBus, number: int, *events: AnyEvent) -> None:
    for event in events:
        await bus.append(Place(event.stream, number), list(encode([event], "test")))


# ---------------------------------------------------------------- what is typed


def test_fields_are_those_of_the_configuration_and_some_have_several_values() -> None:
    found = changing._fields(("kind=webhook", "url=https://h/?a=b", "events=anomaly", "events=drift", "matchers=a=b"))
    assert found == {
        "kind": "webhook", "url": "https://h/?a=b", "events": ["anomaly", "drift"], "matchers": ["a=b"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        ("kind=webhook", f"secret=whsec_{CANARY}"), (f"authorization={CANARY}", "kind=alertmanager"),
        ("kind=pagerduty", f"routing_key={CANARY}"), ("kind=apprise", f"url=ntfy://{CANARY}"),
        ("kind=email", f"password={CANARY}"), ("kind=console", CANARY), ("kind=webhook", f"url={CANARY}", "url=b"),
    ],
)  # fmt: skip
def test_a_command_line_with_a_secret_or_twice_the_same_is_refused_and_not_repeated(
    fields: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "add", "mes", *fields)
    assert (code, out) == (2, "")
    assert CANARY not in err


def test_a_field_that_has_one_value_is_given_once() -> None:
    with pytest.raises(click.UsageError, match="'url' has one value"):
        changing._fields(("kind=webhook", "url=https://a.example", "url=https://b.example"))


def test_secrets_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"secret": CANARY}))
    assert changing._secrets(path) == {"secret": CANARY}
    assert changing._secrets(None) == {}


@pytest.mark.parametrize("text", [f"{CANARY}", f'["{CANARY}"]', f'{{"secret": "{CANARY}"', f'"{CANARY}"', "", "\ud800"])
def test_a_file_of_secrets_that_cannot_be_read_is_not_quoted(text: str, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(click.UsageError) as error:
        changing._secrets(path)
    assert CANARY not in str(error.value)
    assert str(path) in str(error.value)


def test_a_file_of_secrets_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="No such file"):
        changing._secrets(tmp_path / "none.json")


# ---------------------------------------------------------------- what is printed


async def test_a_subscriber_is_shown_once_without_secrets_and_on_its_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bus = MemoryBus(2)
    settings = settings_of(tmp_path)
    spec = {"kind": "webhook", "url": "https://h.example/x", "events": ["all"], "matchers": [f'asset="{EVIL}"']}
    actor = Actor(bus, settings, EVIL)
    _, secret = await acting.subscribe(actor, "mes", spec)
    await acting.turn(actor, "mes", "paused", EVIL)
    found = await acting.known(bus, settings)
    lines = list(listing._lines(found.row(found.registry.known("mes"))))
    names = [text.split()[0] for text in lines]
    assert len(names) == len(set(names)), "each once"
    assert "spec" not in names
    assert {"kind               webhook", "state              paused", "events             all"} <= set(lines)
    assert secret not in "\n".join(lines)
    for text in lines:
        line(text)
    listing._print(found.rows())
    out = capsys.readouterr().out
    assert all(text.isprintable() for text in out.split("\n"))
    assert r"a\x1b[2J\u202eb\rc\nd" in out


async def tried(*events: Any) -> list[dict[str, Any]]:
    bus = MemoryBus(2)
    for number, event in enumerate(events):
        await put(bus, number % 2, event)
    settings = Settings.model_validate({"archive": {"enabled": False}})
    here = Session(Actor(bus, settings, "x"), history_of(settings, bus), Loaded(settings, YamlFile(Path(), {})))
    return await deliveries.tries(here, "mes", 3)


def attempt(second: int, error: str = "503", subscriber: str = "mes") -> DeliveryAttempted:
    fields: dict[str, Any] = {"subscriber": subscriber, "key": "k", "attempt": second, "latency_ms": 1.25}
    return DeliveryAttempted.of(cause=f"{second}", time=T0 + second * SECOND, asset="mes", error=error, **fields)


async def test_tries_are_listed_newest_first_those_of_others_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    sent = NotificationSent.of(cause="s", time=T0 + 9 * SECOND, asset="mes", subscriber="mes", key="k", attempt=3)
    failed = NotificationFailed.of(
        cause="f", time=T0 + 8 * SECOND, asset="mes", subscriber="mes", key="j", attempt=5, error=EVIL, answer=EVIL
    )
    found = await tried(attempt(1), attempt(2), attempt(3, EVIL), attempt(99, subscriber="ann"), failed, sent)
    assert [row["outcome"] for row in found] == ["delivered", "given up", "failed try"]
    assert [row["latency_ms"] for row in found] == [0.0, None, 1.2]
    deliveries._print(found)
    out = capsys.readouterr().out
    assert all(text.isprintable() for text in out.split("\n"))
    assert r"a\x1b[2J" in out


# ---------------------------------------------------------------- what is decided


async def test_one_that_is_only_in_the_archive_is_still_known(tmp_path: Path) -> None:
    bus, settings = MemoryBus(2), settings_of(tmp_path)
    actor = Actor(bus, settings, "ann")
    await acting.subscribe(actor, "mes", {"kind": "console"})
    place = Place(SubscriberSet.stream, home_of(SubscriberSet.stream, 2))
    await Archive(tmp_path / "archive", bus.identity).add(place, await bus.range(place, 1, 1, count=9))
    await bus.trim(place, 1)
    assert [each["name"] for each in (await acting.known(bus, settings)).rows()] == ["mes", "screen"]
    await acting.turn(actor, "mes", "paused")


async def test_secrets_do_not_follow_a_subscriber_to_another_place(tmp_path: Path) -> None:
    bus, settings = MemoryBus(1), settings_of(tmp_path)
    actor, vault = Actor(bus, settings, "ann"), vault_of(tmp_path)
    _, secret = await acting.subscribe(actor, "mes", {"kind": "webhook", "url": "https://h.example/x"})
    assert await acting.subscribe(actor, "mes", {"kind": "webhook", "url": "https://h.example/x", "timeout": "5s"})
    assert vault.get("mes") == {"secret": secret}
    _, other = await acting.subscribe(actor, "mes", {"kind": "webhook", "url": "https://evil.example/x"})
    assert other
    assert other != secret
    await acting.unsubscribe(actor, "mes")
    assert vault.get("mes") == {}


@pytest.mark.parametrize(
    ("name", "spec", "why"),
    [
        ("screen", {"kind": "console"}, "stands in the configuration"),
        ("a b", {"kind": "console"}, "plain word"),
        ("mes", {"kind": "carrier pigeon"}, "kind"),
        ("mes", {"kind": "console", "color": CANARY}, "color"),
        ("mes", {"kind": "webhook", "url": "https://h", "secret": CANARY}, "whsec_"),
        ("mes", {"kind": "console", "matchers": ['asset=~"("']}, "matchers"),
        ("mes", {"kind": "webhook", "url": "http://h"}, "url"),
    ],
)
async def test_what_cannot_be_is_refused_without_repeating_what_may_be_secret(
    name: str, spec: dict[str, Any], why: str, tmp_path: Path
) -> None:
    bus = MemoryBus(1)
    with pytest.raises(acting.Impossible, match=why) as error:
        await acting.subscribe(Actor(bus, settings_of(tmp_path), "ann"), name, spec)
    assert CANARY not in str(error.value)
    assert (await bus.ends([place := Place(SubscriberSet.stream, 0)]))[place] == 0


async def test_nobody_can_pause_or_test_who_is_not_there(tmp_path: Path) -> None:
    actor = Actor(MemoryBus(1), settings_of(tmp_path), "ann")
    for act in (acting.turn(actor, "none", "paused"), acting.test(actor, "none"), acting.unsubscribe(actor, "none")):
        with pytest.raises(NotFound, match="'none'"):
            await act


async def test_a_paused_one_is_not_tested(tmp_path: Path) -> None:
    actor = Actor(MemoryBus(1), settings_of(tmp_path), "ann")
    await acting.turn(actor, "screen", "paused")
    with pytest.raises(acting.Impossible, match="resume it first"):
        await acting.test(actor, "screen")
