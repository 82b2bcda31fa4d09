"""The log itself: who is behind, what could not be handled, how fresh it is."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import anyio

from agents.acquisition.plant import SIMULATED
from agents.health import running as process
from agents.health import work
from agents.letters import open_letters
from agents.telemetry import read_reports
from bus import keys
from bus.protocol import Place
from bus.redis.bus import RedisBus
from contracts.events import AnyEvent, ReadingsAcquired, ReadingsEvent
from contracts.frames import decode
from contracts.instants import SECOND, iso
from contracts.settings import ARCHIVE

from . import retention
from .finding import Finding, finding_of, ok, skip, warn
from .redis import Probe
from .stopped import stopped
from .unrecorded import lineage

LAG, DEAD_LETTERS = work.LAG, work.DEAD_LETTERS
AGE = "log.age"
HOUR_NS = 3600 * SECOND
#: Ticks of the clock stand between the readings of a plant that is silent.
TICKS = 20


class Lane(NamedTuple):
    """A task's way through one stream of one partition."""

    task: str
    stream: str
    partition: int


class Progress(NamedTuple):
    """How far a task came in a lane, and how far there is to go."""

    position: int
    end: int


Behind = dict[Lane, Progress]


async def lag(probe: Probe) -> Finding:
    """Whether every task keeps up with what it reads."""
    limits, begun = probe.scene.limits, probe.scene.clock.monotonic_s()
    now = await _behind(probe)
    if not now:
        return ok(LAG, "every task has read everything")
    still = now
    while still and not probe.scene.quick and probe.scene.clock.monotonic_s() - begun < limits.patience_s:
        await anyio.sleep(limits.patience_s / 10)
        now = await _behind(probe)
        still = {lane: now[lane] for lane in still if lane in now and now[lane].position == still[lane].position}
    # Looked at once, standing still cannot be told from being at work.
    starting = process.settling(probe.scene.data_dir, read_reports(probe.scene.data_dir, _now_s(probe)))
    stuck = {} if probe.scene.quick or starting else still
    far = {lane: at for lane, at in now.items() if at.end - at.position > limits.lag_events}
    if not stuck and not far:
        return ok(LAG, f"at work: {_told(now)}")
    tasks = {lane.task for lane in {**stuck, **far}}
    what = "stands still" if stuck else "cannot keep up"
    return warn(
        LAG,
        f"{what}: {_told({**far, **stuck})}",
        "The agent does not run, cannot go on, or is slower than its input",
        f"{work.starting(task.partition('.')[0] for task in tasks)}; it says why when it cannot go on",
    )


def _now_s(probe: Probe) -> float:
    return probe.scene.clock.wall_ns() / 1e9


async def _behind(probe: Probe) -> Behind:
    """The lanes in which something is left to read."""
    bus = RedisBus(probe.server, probe.scene.settings.bus.partitions)
    ledgers = await probe.server.many([("HGETALL", keys.ledger(number)) for number in range(bus.partitions)])
    found: Behind = {}
    groups: set[tuple[str, str]] = set()
    for partition, flat in enumerate(ledgers):
        ledger = {key.decode(): value.decode() for key, value in zip(flat[::2], flat[1::2], strict=True)}
        for task in _tasks(probe, ledger):
            name, _, stream = task.partition("<")
            position, end = ledger.get(f"position:{task}", ""), int(ledger.get(f"end:{stream}", 0))
            found[Lane(name, stream, partition)] = Progress(int(position or 0), end)
        groups |= _groups(probe, ledger)
    for group, stream in groups:
        places = [Place(stream, number) for number in range(bus.partitions)]
        settled, ends = await bus.settled(group, places), await bus.ends(places)
        for place in places:
            found[Lane(group, stream, place.partition)] = Progress(settled[place], ends[place])
    return {lane: progress for lane, progress in found.items() if progress.end > progress.position}


def _tasks(probe: Probe, ledger: Iterable[str]) -> set[str]:
    """The tasks that keep a position: those of the configuration, or those that the log knows."""
    if probe.scene.topology is not None:
        return set(probe.scene.topology.tasks())
    names = {name.removeprefix("position:") for name in ledger if name.startswith("position:")}
    return {name for name in names if "<" in name and not name.startswith(f"{ARCHIVE}<")}


def _groups(probe: Probe, ledger: Iterable[str]) -> set[tuple[str, str]]:
    """The consumer groups of sinks, with the stream of each."""
    if probe.scene.topology is not None:
        from agents.parts import Sink

        placed = probe.scene.topology.placed
        sinks = [item for item in placed if isinstance(item.part, Sink)]
        return {(item.name, stream) for item in sinks for stream in probe.scene.topology.inputs(item.part)}
    fields = [name.split(":") for name in ledger if name.startswith("settled:")]
    return {(field[1], field[2]) for field in fields if len(field) == 3}


def _told(behind: Behind) -> str:
    sums: Counter[str] = Counter()
    for lane, progress in behind.items():
        sums[f"{lane.task} in {lane.stream}"] += progress.end - progress.position
    return ", ".join(f"{name} is {count:,} events behind" for name, count in sorted(sums.items()))


async def dead_letters(probe: Probe) -> Finding:
    """Whether anything could not be handled and waits for a human."""
    letters = await open_letters(RedisBus(probe.server, probe.scene.settings.bus.partitions))
    return finding_of(work.dead_letters(list(letters)))


async def age(probe: Probe) -> Finding:
    """How fresh the newest reading is, and whether it comes from the future."""
    newest = await _newest(probe, await _ends(probe, ReadingsAcquired.stream), back=TICKS)
    batches = [event.readings for event in newest if isinstance(event, ReadingsEvent)]
    if not batches:
        return skip(AGE, "no readings yet")
    last, now = max(batches, key=lambda batch: int(batch.time.max())), probe.scene.clock.wall_ns()
    time, source = int(last.time.max()), last.series[int(last.code[last.time.argmax()])].source
    # A simulated plant may run faster than time.
    if time > now + HOUR_NS and not source.startswith(SIMULATED):
        cause = "The clock of a device is wrong, or its times are read in another unit or zone than they are written"
        mend = "Correct the device's clock, or `time_unit` and `zone` of the source"
        return warn(AGE, f"{source} gives readings from the future: {iso(time)}", cause, mend)
    return ok(AGE, f"the newest reading is of {iso(time)}, {max(0, now - time) / 1e9:,.0f} s ago")


async def _ends(probe: Probe, stream: str) -> dict[Place, int]:
    bus = RedisBus(probe.server, probe.scene.settings.bus.partitions)
    return await bus.ends([Place(stream, number) for number in range(bus.partitions)])


async def _newest(probe: Probe, ends: dict[Place, int], back: int = 0) -> list[AnyEvent]:
    """The events of the last entry of each place, and of those that hold the ``back`` events before."""
    bus = RedisBus(probe.server, probe.scene.settings.bus.partitions)
    found: list[AnyEvent] = []
    for place, end in ends.items():
        for entry in await bus.range(place, end - back, end, count=1 + back) if end else ():
            found += decode(entry.frame(), entry.last)
    return found


CHECKS = (lag, dead_letters, age, stopped, lineage, *retention.CHECKS)
