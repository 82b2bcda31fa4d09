"""A replay of an hour with an alert in it, in a process that notes each connection that it asks for.

Arguments: ``ours`` or ``mutant``, and the port of the receiver of webhooks. Prints what was computed, and what was
connected to.
"""

import json
import sys
from pathlib import Path
from typing import Any

import anyio

from agents.notification.delivery.delivery import Delivery
from agents.parts import Context
from agents.replay.passage import Passage, Start
from agents.replay.rerun import Rerun
from agents.runtime.home import Home
from agents.runtime.sinks.sinking import SinkRunner
from agents.topology import Topology
from bus.memory import MemoryBus
from bus.protocol import Place
from contracts.events import NotificationDue, Signalled
from contracts.frames import encode
from contracts.settings import AgentSettings, Settings
from contracts.yamlfile import YamlFile
from tests.unit.notification.alerts.sequence import signal, signalled, tick

ALERTS = "notification.alerts"


def topology(port: int) -> Topology:
    hook = {
        "kind": "webhook", "url": f"http://127.0.0.1:{port}/hook", "allow_http": True,
        "allow_private": ["127.0.0.1/32"],
    }  # fmt: skip
    settings = Settings.model_validate(
        {"alerting": {"route": {"receiver": "ann"}, "subscribers": {"ann": hook}}, "bus": {"partitions": 1}}
    ).model_copy(update={"agents": {"notification": AgentSettings()}})
    return Topology.of(settings, YamlFile(Path(), {}), only=("none of them",))


async def main(variant: str, port: int) -> None:
    asked: list[str] = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            asked.append(f"{event} {arguments[1:]}")

    sys.addaudithook(note)
    recorded, place, placed = MemoryBus(1), Place(Signalled.stream, 0), topology(port)
    events = [signalled(1, signal("a spike")), *(tick(second) for second in range(2, 120))]
    for event in events:
        await recorded.append(place, list(encode([event], "gather")))
    placed.prepare(placed.placed, Context("", Path()))
    rerun = Rerun(placed, 1)
    (alerts,) = [item for item in placed.placed if item.name == ALERTS]
    start = Start(f"{ALERTS}<{Signalled.stream}", alerts.part, Signalled.stream)  # type: ignore[arg-type] # it is a processor
    passage = Passage(0, (start,), {Signalled.stream: (0, len(events))})
    await rerun.run(recorded, passage, lambda count: None)
    due = Place(NotificationDue.stream, 0)
    computed = (await rerun.bus.ends([due]))[due]
    if variant == "mutant":
        await deliver(rerun.bus, placed, due)
    print(json.dumps({"computed": computed, "asked": asked}))  # noqa: T201 - the answer


async def deliver(bus: Any, placed: Topology, due: Place) -> None:
    """The usual way to debug: the service itself, on a copy of the log."""
    (delivery,) = [item.part for item in placed.placed if isinstance(item.part, Delivery)]
    home = Home(bus, "debugging")
    async with anyio.create_task_group() as group:
        group.start_soon(SinkRunner(home, "notification.delivery", delivery, [due.stream]).run)
        with anyio.fail_after(60):
            while (await bus.settled("notification.delivery", [due]))[due] < (await bus.ends([due]))[due]:  # noqa: ASYNC110 - what is waited for is in the log
                await anyio.sleep(0.01)
        home.stop.set()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], int(sys.argv[2]))
