"""A real Alertmanager: alerts appear there, change, resolve, and reach its own receivers."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from agents.notification.delivery.alertmanager import AlertmanagerChannel, labels_of
from agents.notification.delivery.channel import Surroundings
from contracts.errors import Refused, Unavailable
from contracts.instants import from_iso
from contracts.subscribers import AlertmanagerSubscriber
from tests.integration.alertmanager.server import Alertmanager, running
from tests.integration.alertmanager.test_alertmanager import need_alertmanager
from tests.integration.channels.messages import SECOND, about, note
from tests.integration.delivery.receiver import plain, receiving
from tests.unit.notification.made import T0, due

ROUTE = {"receiver": "team", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
DAY_S = 86_400


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """One for all tests here: each uses an asset of its own."""
    need_alertmanager()
    with running(tmp_path_factory.mktemp("alertmanager"), {"route": ROUTE}, {"team": True}) as found:
        yield found


def channel(url: str, folder: Path, **said: Any) -> AlertmanagerChannel:
    common: dict[str, Any] = {"url": url, "allow_http": True, "allow_private": ("127.0.0.0/8",)}
    return AlertmanagerChannel("am", AlertmanagerSubscriber(**common | said), Surroundings(folder))


def known(live: Alertmanager, asset: str) -> dict[str, dict[str, Any]]:
    """What fires there of an asset, by its severity."""
    found = live.client.get("/api/v2/alerts", params={"filter": f'asset="{asset}"'}).raise_for_status().json()
    return {alert["labels"]["severity"]: alert for alert in found}


def told(live: Alertmanager, asset: str) -> list[tuple[str, str]]:
    """Severity and status of what its receiver was told of an asset."""
    alerts = [alert for _, message in live.heard for alert in message["alerts"]]
    return [(each["labels"]["severity"], each["status"]) for each in alerts if each["labels"]["asset"] == asset]


async def until(live: Alertmanager, asset: str, *expected: tuple[str, str]) -> None:
    """Wait until its receiver was told exactly this."""
    with anyio.fail_after(60):
        while sorted(set(told(live, asset))) != sorted(expected):  # noqa: ASYNC110 - another process's doing
            await anyio.sleep(0.05)


def labelled(asset: str, severity: str = "warning") -> dict[str, str]:
    return {"alertname": "anomaly", "asset": asset, "severity": severity}


async def test_an_alert_appears_and_resolves(live: Alertmanager, tmp_path: Path) -> None:
    way = channel(str(live.client.base_url), tmp_path)
    labels = labelled("one") | {"empty": "", "naïve name": "Größe \"x\""}  # fmt: skip
    assert await way.send(about(note("a1", labels=labels, detail="far above its past"))) == "200"
    await until(live, "one", ("warning", "firing"))
    alert = known(live, "one")["warning"]
    assert alert["labels"] == labelled("one") | {"na_ve_name": 'Größe "x"'}
    assert alert["annotations"] == {
        "summary": "a1 is wrong", "description": "far above its past", "tocsin_alert": "a1", "finding": "f1",
    }  # fmt: skip
    assert from_iso(alert["startsAt"]) == T0
    # It does not end there because we say nothing for five minutes.
    assert from_iso(alert["endsAt"]) / SECOND > time.time() + 29 * DAY_S
    await way.send(about(note("a1", "resolved", labels=labels, ended=time.time_ns())))
    await until(live, "one", ("warning", "firing"), ("warning", "resolved"))
    assert known(live, "one") == {}
    await way.send(about(note("a1", labels=labels)))
    assert list(known(live, "one")) == ["warning"]
    await way.close()


async def test_an_alert_that_becomes_worse_is_not_left_there_twice(live: Alertmanager, tmp_path: Path) -> None:
    way = channel(str(live.client.base_url), tmp_path)
    await way.send(about(note("a1", labels=labelled("two"))))
    await until(live, "two", ("warning", "firing"))
    await way.close()
    # Another channel: a restart has only the folder.
    again = channel(str(live.client.base_url), tmp_path)
    await again.send(about(note("a1", labels=labelled("two", "critical"), severity="critical")))
    await until(live, "two", ("warning", "firing"), ("warning", "resolved"), ("critical", "firing"))
    assert list(known(live, "two")) == ["critical"]
    await again.send(about(note("a1", "resolved", labels=labelled("two", "critical"), severity="critical")))
    assert known(live, "two") == {}
    await again.close()


async def test_all_alerts_of_a_message_are_there_and_a_message_without_any_too(
    live: Alertmanager, tmp_path: Path
) -> None:
    way = channel(str(live.client.base_url), tmp_path)
    notes = [note(f"a{number}", labels=labelled("three") | {"n": str(number)}) for number in range(50)]
    await way.send(about(*notes, group="g"))
    found = live.client.get("/api/v2/alerts", params={"filter": 'asset="three"'}).json()
    assert {alert["labels"]["n"] for alert in found} == {str(number) for number in range(50)}
    await way.send(due("a test", key="t1"))
    assert known(live, "pump")["warning"]["annotations"]["summary"] == "a test"
    await way.close()


async def test_a_clock_of_sensors_that_is_ahead_is_no_reason_to_refuse(live: Alertmanager, tmp_path: Path) -> None:
    way = channel(str(live.client.base_url), tmp_path)
    ahead = time.time_ns() + 3_600 * SECOND
    await way.send(about(note("a1", labels=labelled("four"), began=ahead)))
    assert list(known(live, "four")) == ["warning"]
    await way.send(about(note("a1", "resolved", labels=labelled("four"), began=ahead, ended=time.time_ns())))
    assert known(live, "four") == {}
    await way.close()


async def test_what_it_refuses_is_refused_and_an_outage_is_one(tmp_path: Path) -> None:
    async with receiving() as receiver:
        way = channel(receiver.url("/prefix/"), tmp_path, authorization="Bearer canary")
        receiver.answer = plain(400, body=b'"bad: Bearer canary"')
        with pytest.raises(Refused, match="400") as refused:
            await way.send(about(note("a1")))
        assert "canary" not in repr(refused.value)
        receiver.answer = plain(500)
        with pytest.raises(Unavailable):
            await way.send(about(note("a1")))
        assert {request.path for request in receiver.taken} == {"/prefix/api/v2/alerts"}
        assert {request.headers["authorization"] for request in receiver.taken} == {"Bearer canary"}
        await way.close()


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"a-b": "1"}, {"a_b": "1"}), ({"1st": "x"}, {"_1st": "x"}), ({"": "x"}, {"_": "x"}), ({"a": ""}, {})],
)
def test_labels_have_names_that_every_alertmanager_takes(given: dict[str, str], expected: dict[str, str]) -> None:
    assert labels_of(given) == expected
