"""Data and models, looked at as the coordinator's health monitor does all the time."""

import anyio.to_thread

from agents.health.counting import Counting
from agents.health.latency import latency as scoring_latency
from agents.health.monitor import training_health
from agents.health.store import growth as artifact_growth
from agents.health.store import loadable
from bus.history import history_of
from bus.news import News
from bus.redis.bus import RedisBus
from contracts.errors import CorruptEvent, Unavailable
from contracts.events import ModelLoaded

from .finding import Finding, finding_of, skip
from .redis import Probe
from .scene import Scene

#: Readings that the doctor counts: some seconds' work.
_MOST = 10_000_000


def trainings(scene: Scene, *, mlflow: bool) -> list[Finding]:
    """Whether trainings come, take as long as they do, and give good models; ``mlflow``: it answers. Blocks."""
    if not mlflow:
        return [skip("training-runs", "not looked at: MLflow does not answer")]
    settings, now = scene.settings, scene.clock.wall_ns()
    found = training_health(settings.mlflow, settings.training, settings.health, scene.data_dir, now)
    return [finding_of(health) for health in found]


def growth(scene: Scene) -> list[Finding]:
    """Whether the artifacts grow faster than they should. Blocks."""
    folder = scene.data_dir / "mlflow" / "artifacts"
    return [finding_of(artifact_growth(folder, scene.settings.health, scene.clock.wall_ns()))]


async def readings(probe: Probe) -> list[Finding]:
    """Gaps, and readings per day, of every source."""
    scene = probe.scene
    bus = RedisBus(probe.server, scene.settings.bus.partitions)
    counting, now = Counting(), scene.clock.wall_ns()
    why = ""
    try:
        if not await counting.go_on(history_of(scene.settings, bus), now, _MOST):
            why = f"over {_MOST:,} readings; the health monitor of the coordinator counts them as they come"
    except (CorruptEvent, Unavailable) as error:
        # The checks of the archive and of the server say what is wrong with them, and what to do.
        why = str(error.args[0])
    if why:
        return [skip(check, f"not looked at: {why}") for check in ("data-gaps", "records-per-day")]
    live = scene.topology.endless if scene.topology else ()
    limits = scene.settings.health
    return [finding_of(counting.census.gaps(limits, live, now)), finding_of(counting.census.volume(limits, now))]


async def latency(probe: Probe) -> list[Finding]:
    """Whether what was accepted is scored soon."""
    bus = RedisBus(probe.server, probe.scene.settings.bus.partitions)
    positions = [await bus.positions(number) for number in range(bus.partitions)]
    return [finding_of(await scoring_latency(bus, positions, probe.scene.settings.health))]


async def served(probe: Probe) -> list[Finding]:
    """Whether the bundles that are served can be loaded from the cache and score as they did."""
    bus = RedisBus(probe.server, probe.scene.settings.bus.partitions)
    events = await News([ModelLoaded]).read(bus)
    digests = {event.agent: event.bundle for event in events if isinstance(event, ModelLoaded)}
    return [finding_of(await anyio.to_thread.run_sync(loadable, probe.scene.data_dir, digests.values()))]


CHECKS = (readings, latency, served)
#: What these tell of.
NAMES = (
    *("training-runs", "training-frequency", "training-duration", "metric-floor", "metric-decline"),
    *("artifact-growth", "data-gaps", "records-per-day", "feature-latency", "served-models"),
)
