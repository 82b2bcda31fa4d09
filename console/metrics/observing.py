"""What a process of the service tells about itself while it runs: its report, its spans, its address for Prometheus."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio

from agents.clock import Clock
from agents.health.running import Running
from agents.runtime.home import Home
from agents.telemetry import Report, Reporter, Telemetry, read_reports
from agents.topology import Topology
from contracts.settings import Settings

from ..host import Child, Host, owner_of


def telemetry_for(settings: Settings, process: str) -> Telemetry:
    """Numbers for a process, and a tracer where the settings want one.

    Raises ConfigError when they want one and it is not installed.
    """
    if not settings.tracing.enabled:
        return Telemetry()
    from agents.telemetry.tracing import Tracing

    return Telemetry(tracing=Tracing.to(settings.tracing, process))


def check_tracing(settings: Settings) -> None:
    """Raises ConfigError when spans are wanted and cannot be sent: better once than from every child again."""
    if settings.tracing.enabled:
        from agents.telemetry.tracing import exporter_class

        exporter_class()


@asynccontextmanager
async def reported(home: Home, settings: Settings, process: str, agents: Sequence[str] = ()) -> AsyncIterator[Reporter]:
    """Keep the report of this process, which runs these agents, up to date; send the last spans at the end."""
    running = Running.of(settings, agents).record() if agents else {}
    reporter = Reporter(settings.data_dir, process, home.owner, home.telemetry.metrics, running=running)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(reporter.run)
            yield reporter
            group.cancel_scope.cancel()
    finally:
        if home.telemetry.tracing is not None:
            home.telemetry.tracing.close()


@asynccontextmanager
async def answering(
    settings: Settings,
    topology: Topology,
    url: str,
    reports: Callable[[], Sequence[Report]],
    children: Sequence[Child] = (),
) -> AsyncIterator[None]:
    """Answer on ``metrics.port``, where there is one.

    Raises Unavailable when the address cannot be had.
    """
    if settings.metrics.port is None:
        yield
        return
    from .endpoint import Endpoint

    endpoint = Endpoint(settings, topology, url, reports, children)
    listener = endpoint.listen()
    async with anyio.create_task_group() as group:
        group.start_soon(endpoint.serve, listener)
        yield
        endpoint.stop()


def of_children(host: Host) -> Callable[[], list[Report]]:
    """The reports of a supervisor's children; those of an earlier life are left out."""
    clock, settings = Clock(), host.settings
    begun = clock.wall_ns() / 1e9

    def reports() -> list[Report]:
        owners = {owner_of(settings.data_dir, child.name) for child in host.children}
        found = read_reports(settings.data_dir, clock.wall_ns() / 1e9)
        return [report for report in found if report.owner in owners and report.written >= begun]

    return reports
