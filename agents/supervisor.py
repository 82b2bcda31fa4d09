"""Runs the parts of this process, starts again what fails, and stops everything in order."""

import signal
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from bus.retry import Backoff
from contracts.errors import Rewound, StoreLost, StoreRefused, TocsinError, Unavailable
from contracts.events import ModelServed, ReadingsAcquired
from contracts.settings import ARCHIVE

from .parts import Chore, Forwarder, Processor, Recorder, Sink, Source
from .runtime.chores import ChoreRunner
from .runtime.forwarding import ForwarderRunner
from .runtime.groups import single_error
from .runtime.home import Home, log
from .runtime.lanes.processing import ProcessorRunner
from .runtime.recording import RecorderRunner
from .runtime.sinks.sinking import SinkRunner
from .runtime.sources.sourcing import SourceRunner
from .runtime.sources.ticking import Ticker
from .serving.watcher import Servable, Watcher
from .topology import Placed, Topology

#: A runner that lived so long was healthy: its next failure begins with a short pause again.
HEALTHY_S = 60.0
STORE_LOOK_S = 2.0


class Runner(Protocol):
    """A loop around a part."""

    async def run(self) -> None:
        """Work until everything stops, or to the end."""
        ...


class Chain:
    """Sources one after the other, for a batch run: their order in the log is then the same every time."""

    def __init__(self, runners: Sequence[SourceRunner]) -> None:
        self.runners = runners

    async def run(self) -> None:
        for runner in self.runners:
            await runner.run()


@dataclass
class Announcement:
    """Says once which agents this process runs, and which model bundles they serve."""

    home: Home
    placed: Sequence[Placed]
    live: bool = True

    async def run(self) -> None:
        for agent in dict.fromkeys(item.agent for item in self.placed):
            await self.home.started(agent)
        for item in self.placed:
            # Whoever looks after the models of a part in a live service says so itself.
            if item.part.bundle and not (self.live and isinstance(item.part, Servable)):
                await self.home.loaded(item.name, item.part.bundle)


@dataclass
class Supervisor:
    """The runners of one process.

    A runner that raises is started again after a pause that grows; the others go on.
    """

    home: Home
    topology: Topology
    placed: Sequence[Placed]
    live: bool = True
    archiver: Runner | None = None
    sources: list[SourceRunner] = field(default_factory=list)

    def runners(self) -> dict[str, Runner]:
        """A runner for every part and stream."""
        out: dict[str, Runner] = {}
        for item in self.placed:
            out.update(self._runners_of(item))
        if self.live and self.sources:
            out["clock"] = Ticker(self.home, self.sources[0].agent)
        if self.live:
            out.update({f"source:{runner.name}": runner for runner in self.sources})
        elif self.sources:
            out["sources"] = Chain(self.sources)
        return out

    def _runners_of(self, item: Placed) -> Iterator[tuple[str, Runner]]:
        part = item.part
        streams = self.topology.inputs(part)
        if isinstance(part, Source):
            followers = self.topology.followers(ReadingsAcquired.stream)
            self.sources.append(SourceRunner(self.home, item.agent, item.name, part, followers))
        elif isinstance(part, Sink):
            yield item.name, SinkRunner(self.home, item.name, part, streams)
        elif isinstance(part, Chore) and self.live:
            yield item.name, ChoreRunner(self.home, item.name, part)
        for stream in streams:
            if isinstance(part, Processor):
                runner = ProcessorRunner(self.home, item.name, part, stream)
                yield f"{item.name}<{stream}", runner
                if self.live and isinstance(part, Servable) and stream == ModelServed.stream:
                    yield f"models of {item.name}", Watcher(self.home, item.name, part, runner.lanes)
            elif isinstance(part, Forwarder):
                yield f"{item.name}<{stream}", ForwarderRunner(self.home, item.name, part, stream)
            elif isinstance(part, Recorder):
                yield f"{item.name}<{stream}", RecorderRunner(self.home, item.name, part, stream)

    async def run(self) -> None:
        """Run everything until ``home.stop`` is set and all runners are done.

        Raises StoreLost when the log that we write to is gone, StoreRefused when its server would lose it.
        """
        with single_error():
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch_store)
                async with anyio.create_task_group() as work:
                    work.start_soon(self._keep, "announcement", Announcement(self.home, self.placed, self.live))
                    archiver = {ARCHIVE: self.archiver} if self.archiver is not None else {}
                    for name, runner in {**self.runners(), **archiver}.items():
                        work.start_soon(self._keep, name, runner, name=name)
                group.cancel_scope.cancel()
        await self._farewell()

    async def _farewell(self) -> None:
        try:
            for agent in dict.fromkeys(item.agent for item in self.placed):
                await self.home.stopped(agent)
        except TocsinError as error:
            log.warning("the end could not be told to the log", cause=str(error))

    async def _keep(self, name: str, runner: Runner) -> None:
        settings = self.home.settings
        backoff = Backoff(settings.backoff_s, settings.backoff_max_s)
        while not self.home.stopping:
            begun = self.home.clock.monotonic_s()
            try:
                await runner.run()
                return
            except (StoreLost, StoreRefused):
                # Going on would write a second truth beside the one that is missing, or to a server that loses it.
                raise
            except Exception as error:  # noqa: BLE001 - one runner's failure must not end the others
                if self.home.clock.monotonic_s() - begun > HEALTHY_S:
                    backoff.reset()
                await self._report(name, error, pause := backoff.pause())
                await self.home.sleep(pause)

    async def _watch_store(self) -> None:
        while not self.home.stopping:
            try:
                await self.home.bus.check()
            except (StoreLost, StoreRefused):
                raise
            except Unavailable:
                # The runners say so, and wait.
                log.debug("store could not be checked")
            await self.home.sleep(STORE_LOOK_S)

    async def _report(self, name: str, error: Exception, pause: float) -> None:
        self.home.telemetry.restarted(name, "unavailable" if isinstance(error, Unavailable) else "failed")
        if isinstance(error, Unavailable):
            log.warning("unavailable", runner=name, cause=str(error), retry_in_s=round(pause, 1))
            return
        if isinstance(error, Rewound):
            log.warning("goes back", runner=name, cause=str(error), retry_in_s=round(pause, 1))
            await self._tell(self.home.rewound(name, error.partition, error.first, error.last))
            return
        log.error("runner failed", runner=name, cause=repr(error), retry_in_s=round(pause, 1), exc_info=error)
        await self._tell(self.home.failed(name, error))

    async def _tell(self, news: Awaitable[None]) -> None:
        try:
            await news
        except TocsinError as silent:
            log.warning("failure could not be told to the log", cause=str(silent))


async def stop_on_signals(home: Home, group: TaskGroup) -> None:
    """Set ``home.stop`` on SIGTERM or SIGINT; a second one ends the process at once."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            if home.stopping:
                log.warning("stopped the hard way", signal=number)
                group.cancel_scope.cancel()
                return
            log.info("stopping", signal=signal.Signals(number).name)
            home.stop.set()
