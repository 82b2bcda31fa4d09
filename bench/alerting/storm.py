"""``python -m bench.alerting.storm``: a hundred thousand alerts in a minute, and what three people are told.

Findings of as many machines go straight into the log of a running service, spread over the minute, and then all of
them end. Each person has a route of a third of the machines; a program besides has subscribed to every change. What
is counted: messages for each, whether the numbers in them add up, what the log holds, the memory of the process.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.notification.alerts.present import Present
from bus.embedded import EmbeddedServer
from bus.protocol import Bus, Place
from bus.redis import open_bus
from bus.scan import scan
from contracts.events import AlertChanged, AnomalyCleared, AnomalyDetected, Evidence, NotificationDue, Signalled
from contracts.frames import encode
from contracts.identity import home_of, partition_of
from contracts.settings import Settings

from .ours import configuration, started
from .receiver import Receiver

PEOPLE = {"ann": "north", "bob": "south", "cid": "west"}
PROGRAM = "program"
_WAIT_S, _INTERVAL_S = 10, 30
#: A trouble that comes again so soon is the same; also how long after the last of those only counted they are over.
_REOPEN_S = 45
_SITES = tuple(PEOPLE.values())
_PAGE = 100
#: Nothing came for so long: it is quiet.
_QUIET_S = _INTERVAL_S + _REOPEN_S + 20
_MOST_S = 900.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--followed", type=int, default=20_000, help="alerting.most_alerts")
    parser.add_argument("--storms", type=int, default=1, help="one after the other, in one process")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toc-")))
        receiver = stack.enter_context(Receiver())
        server = EmbeddedServer(folder / "redis", maxmemory_mb=1_024, fsync="everysec")
        server.start()
        stack.callback(server.stop)
        plain = _settings(server.url, receiver.port, given.followed)
        # The log is made before somebody serves it.
        asyncio.run(_opened(folder, server.url))
        service = stack.enter_context(started(folder, plain, "notification"))
        storm = Storm(given.alerts, given.seconds, service.pid, receiver)
        results = asyncio.run(storm.told(Settings(data_dir=folder / "data", **plain), server.url, given.storms))
    print(json.dumps(results, indent=None if given.json else 2))
    return 0 if all(one["adds_up"] and not one["missing_in_log"] for one in results) else 1


def _settings(url: str, port: int, followed: int) -> dict[str, Any]:
    local = {"kind": "webhook", "allow_http": True, "allow_private": ["127.0.0.0/8"]}
    hooks = {name: {**local, "url": f"http://127.0.0.1:{port}/{name}"} for name in (*PEOPLE, PROGRAM)}
    hooks[PROGRAM] |= {"events": ["all"]}
    return {
        # The other agents are there for their streams; none of them runs.
        **configuration(0, {}),
        "redis": {"url": url},
        "alerting": {
            "most_alerts": followed,
            "reopen_within": _REOPEN_S,
            "subscribers": hooks,
            "route": {
                "receiver": next(iter(PEOPLE)),
                "group_wait": _WAIT_S,
                "group_interval": _INTERVAL_S,
                "routes": [{"receiver": name, "matchers": [f'asset=~"{site}-.*"']} for name, site in PEOPLE.items()],
            },
        },
    }


async def _opened(folder: Path, url: str) -> None:
    await (await open_bus(Settings(data_dir=folder / "data"), url)).close()


@dataclass
class Storm:
    """Machines of three sites that all go wrong within ``seconds``, and are well again in as many."""

    alerts: int
    seconds: float
    pid: int
    receiver: Receiver
    number: int = 0
    fed: dict[str, AnomalyDetected] = field(default_factory=dict)

    async def told(self, settings: Settings, url: str, storms: int) -> list[dict[str, Any]]:
        """What came of each storm."""
        bus = await open_bus(settings, url)
        try:
            signals = Place(Signalled.stream, home_of(Signalled.stream, bus.partitions))
            await _until(lambda: _reached(bus, signals))
            results = []
            for self.number in range(storms):
                self.fed.clear()
                results.append(await self._one(bus, settings))
            return results
        finally:
            await bus.close()

    async def _one(self, bus: Bus, settings: Settings) -> dict[str, Any]:
        memory = {"before": self.memory_mb()}
        began = time.monotonic()
        await self._feed(bus, self._detected())
        fed, memory["fed"] = time.monotonic(), self.memory_mb()
        await self._quiet()
        memory["quiet"] = self.memory_mb()
        result = {
            "alerts": self.alerts,
            "fed_in_s": round(fed - began, 1),
            "firing": self._messages(began),
            "quiet_after_s": round(self._last() - fed, 1),
        }
        result |= await self._recorded(bus, settings)
        began = time.monotonic()
        await self._feed(bus, self._cleared())
        ended = time.monotonic()
        await self._quiet()
        memory["cleared"] = self.memory_mb()
        return result | {
            "resolved": self._messages(began),
            "quiet_again_after_s": round(self._last() - ended, 1),
            "still_firing": sum(map(_firing, self._newest().values())),
            "memory_mb": memory,
        }

    # ---- what happens

    def _detected(self) -> Iterator[AnomalyDetected]:
        for number in range(self.alerts):
            asset, now = f"{_SITES[number % 3]}-{number}", time.time_ns()
            event = AnomalyDetected.of(
                cause="storm", time=now, asset=asset, channel="heat", discriminator=str(self.number), detector="limits",
                bundle="b" * 32, feature_set="f" * 16, environment="e" * 16, score=0.9, threshold=100.0,
                reason="above the limit", value=150.0, severity="critical" if number % 1_000 == 7 else "warning",
                evidence=Evidence(stream="readings.accepted", first=1, last=1),
            )  # fmt: skip
            self.fed[asset] = event
            yield event

    def _cleared(self) -> Iterator[AnomalyCleared]:
        for asset, event in self.fed.items():
            yield AnomalyCleared.of(
                cause=event.id, time=time.time_ns(), asset=asset, channel="heat", detector=event.detector,
                bundle=event.bundle, feature_set=event.feature_set, environment=event.environment,
                evidence=event.evidence, lasted=1,
            )  # fmt: skip

    async def _feed(self, bus: Bus, events: Iterator[AnomalyDetected] | Iterator[AnomalyCleared]) -> None:
        """Into the partitions of the machines, as evenly as the log takes it."""
        begin, waiting = time.monotonic(), dict[int, list[Any]]()
        for count, event in enumerate(events):
            page = waiting.setdefault(partition_of(event.asset, bus.partitions), [])
            page.append(event)
            if len(page) >= _PAGE:
                await _append(bus, page)
                page.clear()
                await asyncio.sleep(max(0.0, begin + count / self.alerts * self.seconds - time.monotonic()))
        for page in waiting.values():
            await _append(bus, page)

    async def _quiet(self) -> None:
        """Until nobody was told anything for so long."""
        end, since = time.monotonic() + _MOST_S, time.monotonic()
        while (now := time.monotonic()) - max(since, self._last()) < _QUIET_S:
            if now > end:
                raise TimeoutError(f"not quiet within {_MOST_S:g} s")
            await asyncio.sleep(0.5)

    # ---- what is seen

    def _last(self) -> float:
        return max((at for at, _, _ in self.receiver.heard), default=0.0)

    def _messages(self, since: float) -> dict[str, int]:
        return dict(Counter(path[1:] for at, path, _ in self.receiver.heard if at >= since))

    def _newest(self) -> dict[str, dict[str, Any]]:
        """The latest message of each group, as people have it."""
        return {
            body["data"]["group_key"]: body["data"]
            for _, path, body in self.receiver.heard
            if path[1:] in PEOPLE and body["data"].get("group_key")
        }

    async def _recorded(self, bus: Bus, settings: Settings) -> dict[str, Any]:
        """What the log holds of the storm, and whether the numbers that people have are those of the log."""
        place = Place(Signalled.stream, home_of(Signalled.stream, bus.partitions))
        found = [event async for each in scan(bus, place) for event in each.events]
        signalled = {one.finding for event in found if isinstance(event, Signalled) for one in event.signals}
        changes = [event async for each in scan(bus, Place("alerts", place.partition)) for event in each.events]
        opened = [event for event in changes if isinstance(event, AlertChanged) and event.change == "opened"]
        storm = {event.id for event in self.fed.values()}
        due = [event async for each in scan(bus, Place("notifications", place.partition)) for event in each.events]
        state = await Present(bus, settings).state()
        overflow = state.find("overflow")
        newest = list(self._newest().values())
        listed = [alert for each in newest for alert in each["alerts"] if alert["labels"]["alertname"] == "overflow"]
        told_more = max((alert["findings"] for alert in listed), default=0)
        firing = sum(map(_firing, newest)) - sum(alert["state"] == "firing" for alert in listed)
        more = overflow.findings if overflow else 0
        return {
            "missing_in_log": len(storm - signalled),
            "alerts_opened": sum(event.key != "overflow" and event.finding in storm for event in opened),
            "only_counted": more,
            "notifications_in_log": sum(isinstance(event, NotificationDue) for event in due),
            "told_firing": {each["group_key"]: _firing(each) for each in newest},
            "told_only_counted": told_more,
            "adds_up": firing + more == self.alerts and (told_more == more),
        }

    def memory_mb(self) -> float:
        """Resident memory of the process that notifies."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return round(int(text.split("VmRSS:")[1].split()[0]) / 1024, 1)


def _firing(message: dict[str, Any]) -> int:
    return int(message.get("firing", 0))


async def _append(bus: Bus, events: list[Any]) -> None:
    place = Place(AnomalyDetected.stream, partition_of(events[0].asset, bus.partitions))
    await bus.append(place, list(encode(events, "storm")))


async def _reached(bus: Bus, place: Place) -> bool:
    return (await bus.ends([place]))[place] > 0


async def _until(what: Any, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not await what():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s")
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
