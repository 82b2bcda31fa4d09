"""How alerts are now, and how they come to be: from findings of all partitions to messages, in a running service."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from agents.notification.alerts.alerts import In
from agents.notification.alerts.present import Present, configured, present
from agents.notification.alerts.state import AlertsState
from agents.parts import Context
from agents.runtime.lanes.lane import Lane
from agents.state import dump
from agents.supervisor import Supervisor
from agents.topology import Topology
from bus.memory import MemoryBus
from bus.protocol import Bus, Place
from contracts.errors import NotFound
from contracts.events import AlertChanged, AnomalyDetected, NotificationDue, Signalled
from contracts.frames import encode
from contracts.identity import home_of, partition_of
from contracts.settings import AgentSettings, Settings
from contracts.yamlfile import YamlFile
from tests.unit.notification.alerts.sequence import over, signal, signalled, tick
from tests.unit.notification.made import anomaly
from tests.unit.runtime.counting import events, home, of_type, told

PARTITIONS = 4
PLACE = Place(Signalled.stream, home_of(Signalled.stream, PARTITIONS))
ALERTING: dict[str, Any] = {
    "route": {"receiver": "log", "group_wait": "0s", "group_interval": "1s"},
    "subscribers": {"log": {"kind": "file", "path": "told.jsonl"}},
    "tick": 0.1,
}


def settings(folder: Path, **alerting: Any) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": folder,
            "alerting": {**ALERTING, **alerting},
            "bus": {"partitions": PARTITIONS},
            "agents": {"anomaly": {}, "notification": {}},
        }
    )


async def put(bus: Bus, *signals: In) -> None:
    for event in signals:
        await bus.append(PLACE, list(encode([event], "w")))


async def handled(bus: MemoryBus, chosen: Settings) -> Lane:
    """The lane of the service, at the end of the stream, with its state saved there."""
    name, part = configured(chosen)
    lane = Lane(home(bus), part, f"{name}.alerts<signals", PLACE, 1)
    await lane.open()
    while found := (await bus.read({PLACE: lane.position}, count=100)).get(PLACE):
        await lane.step_or_bury(found)
    await lane.save_if_due(now=True)
    return lane


@pytest.mark.parametrize("saved", [0, 3, 5])
async def test_alerts_are_the_saved_state_and_what_came_since(saved: int, tmp_path: Path) -> None:
    story: Sequence[In] = [
        tick(0), signalled(1, signal("f1")), tick(2), signalled(3, signal("f2", asset="fan")),
        signalled(4, over("o1", closes="f1")),
    ]  # fmt: skip
    bus, chosen = MemoryBus(PARTITIONS), settings(tmp_path)
    await put(bus, *story[:saved])
    lane = await handled(bus, chosen) if saved else None
    await put(bus, *story[saved:])
    found = await present(bus, chosen)
    assert {alert.asset: alert.state for alert in map(found.alert, found.alerts)} == {"pump": "resolved", "fan": "open"}
    assert lane is None or dump(found) == dump((await handled(bus, chosen)).state)


async def test_who_asks_again_is_told_what_came_since(tmp_path: Path) -> None:
    bus, chosen = MemoryBus(PARTITIONS), settings(tmp_path)
    asking = Present(bus, chosen)
    assert (await asking.state()).alerts == {}
    for number in range(5):
        await put(bus, tick(number), signalled(number, signal(f"f{number}", asset=f"m{number}")))
        state = await asking.state()
        assert dump(state) == dump(await present(bus, chosen))
        assert len(state.alerts) == number + 1
        assert await asking.state() is state


async def test_where_no_alerts_are_followed_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no alerts are followed"):
        await present(MemoryBus(1), settings(tmp_path, route=None, subscribers={}))


async def test_an_agent_may_have_routes_of_its_own(tmp_path: Path) -> None:
    chosen = settings(tmp_path).model_copy(
        update={"agents": {"people": AgentSettings.model_validate({"kind": "notification", "alerting": ALERTING})}}
    )
    name, part = configured(chosen)
    assert (name, part.alerting.tick) == ("people", 0.1)


async def finding(bus: Bus, number: int) -> AnomalyDetected:
    found = anomaly(number, asset=f"m{number}")
    place = Place(found.stream, partition_of(found.asset, PARTITIONS))
    await bus.append(place, list(encode([found], "anomaly")))
    return found


async def test_findings_of_all_partitions_become_alerts_and_reach_their_subscriber(tmp_path: Path) -> None:
    chosen, bus = settings(tmp_path), MemoryBus(PARTITIONS)
    topology = Topology.of(chosen, YamlFile(tmp_path, {}), ["notification"])
    placed = topology.only(["notification"])
    topology.prepare(placed, Context("", tmp_path))
    surroundings = home(bus)
    found = [await finding(bus, number) for number in range(8)]
    async with anyio.create_task_group() as group:
        group.start_soon(Supervisor(surroundings, topology, placed).run)
        with anyio.fail_after(60):
            while len(named(tmp_path)) < 8:  # noqa: ASYNC110 - it is in a file
                await anyio.sleep(0.05)
            found += [await finding(bus, number) for number in range(8, 12)]
            while len(named(tmp_path)) < 12:  # noqa: ASYNC110 - it is in a file
                await anyio.sleep(0.05)
        surroundings.stop.set()
    opened = await of_type(bus, AlertChanged)
    assert sorted(each.finding for each in opened) == sorted(each.id for each in found) == sorted(named(tmp_path))
    due = await of_type(bus, NotificationDue)
    assert {each.subscriber for each in due} == {"log"}
    assert len({each.key for each in due}) == len(due)
    assert len((await present(bus, chosen)).alerts) == 12
    await same_again(bus, chosen)


async def same_again(bus: MemoryBus, chosen: Settings) -> None:
    """The stream of signals gives what stands in the log, byte for byte, from the very beginning."""
    part, state, again = configured(chosen)[1], AlertsState(), list[str]()
    # The service may have been stopped before the last ticks.
    reached = int(await bus.position(PLACE.partition, "notification.alerts<signals") or 0)
    for event in (await events(bus, PLACE.stream, PLACE.partition))[:reached]:
        again += map(told, part.handle(event, state))  # type: ignore[arg-type] # it reads all that is in the stream
    recorded = [told(event) for kind in part.writes() for event in await events(bus, kind.stream, PLACE.partition)]
    assert sorted(again) == sorted(recorded) != []


def named(folder: Path) -> set[str]:
    """The findings that the subscriber's file names."""
    file = folder / "told.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return {word for line in lines for word in re.findall(r'"finding": ?"([0-9a-f]{32})"', line)}
