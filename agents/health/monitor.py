"""Looks at the health of data and models all the time, and tells when something changes."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import anyio.to_thread
from pydantic import PrivateAttr

from bus.news import News
from contracts.errors import ConfigError, Unavailable
from contracts.events import Event, HealthChanged, ModelLoaded
from contracts.health import HealthSettings
from contracts.settings import MlflowSettings, Settings
from contracts.training import TrainingSettings

from ..letters import OpenLetters
from ..parts import Chore, Context, Log
from ..standstill import Stops
from . import runs, trainings
from .counting import Counting
from .finding import Health, broken, well
from .latency import latency
from .store import growth, loadable
from .surroundings import surroundings
from .telling import Telling
from .work import Movement, dead_letters, stopped

#: What reads much is looked at so much more rarely.
_SELDOM = 30
#: Problems of the configuration that are named.
_NAMED = 5


class HealthMonitor(Chore):
    """Tells ``HealthChanged`` when a check finds something, and when it finds it mended."""

    mlflow: MlflowSettings | None = None
    health: HealthSettings = HealthSettings()
    training: TrainingSettings = TrainingSettings()

    _data_dir: Path = PrivateAttr(default=Path())
    _agent: str = PrivateAttr(default="coordinator")
    _endless: tuple[str, ...] = PrivateAttr(default=())
    _telling: Telling | None = PrivateAttr(default=None)
    _counting: Counting = PrivateAttr(default_factory=Counting)
    _served: dict[str, str] = PrivateAttr(default_factory=dict)
    _news: News = PrivateAttr(default_factory=lambda: News([ModelLoaded]))
    _looks: int = PrivateAttr(default=0)
    _settings: Callable[[], Settings] | None = PrivateAttr(default=None)
    _tasks: tuple[str, ...] = PrivateAttr(default=())
    _movement: Movement = PrivateAttr(default_factory=Movement)
    _stops: Stops = PrivateAttr(default_factory=Stops)
    _letters: OpenLetters | None = PrivateAttr(default=None)

    def prepare(self, context: Context) -> None:
        self._data_dir, self._agent = context.data_dir, context.agent or "coordinator"
        self._endless, self._settings, self._tasks = context.endless, context.settings, context.tasks

    async def tend(self, log: Log) -> Sequence[Event]:
        """One look at everything."""
        if self._telling is None:
            self._telling = Telling(await _last_told(log))
        found = [health async for health in self._looked(log)]
        self._looks += 1
        return [self._changed(health, log.now_ns) for health in found if self._telling.is_news(health)]

    async def _looked(self, log: Log) -> AsyncIterator[Health]:
        if await self._counting.go_on(log.recorded, log.now_ns):
            yield self._counting.census.gaps(self.health, self._endless, log.now_ns)
            yield self._counting.census.volume(self.health, log.now_ns)
        yield await latency(log.recorded, log.positions, self.health)
        async for health in self._worked(log):
            yield health
        await self._learn(log)
        for health in await anyio.to_thread.run_sync(partial(self._blocking, log.now_ns), abandon_on_cancel=True):
            yield health

    async def _worked(self, log: Log) -> AsyncIterator[Health]:
        """Work that does not get done."""
        yield await self._movement.look(log.recorded, log.positions, self._tasks, log.now_ns)
        await self._stops.refresh(log.recorded)
        yield stopped(self._stops.still(log.positions))
        self._letters = self._letters or OpenLetters(log.recorded)
        await self._letters.refresh()
        yield dead_letters(list(self._letters))

    def _blocking(self, now: int) -> list[Health]:
        found = list(self._around(now))
        found += list(training_health(self.mlflow, self.training, self.health, self._data_dir, now))
        if self._looks % _SELDOM == 0:
            found.append(growth(self._data_dir / "mlflow" / "artifacts", self.health, now))
            found.append(loadable(self._data_dir, self._served.values()))
        return found

    def _around(self, now: int) -> Iterator[Health]:
        """The machine, and whether what runs is what is configured."""
        if self._settings is None:
            return
        try:
            settings = self._settings()
        except ConfigError as error:
            due_to = "The file was changed since the service was started, which goes on with what it read then"
            mend = "Correct it before the next start: tocsin config check"
            yield broken("config", "; ".join(error.problems[:_NAMED]), due_to, mend)
            return
        yield well("config", "can be read")
        yield from surroundings(settings, now)

    async def _learn(self, log: Log) -> None:
        """Which bundle each agent serves, as it was told last."""
        for event in await self._news.read(log.recorded):
            if isinstance(event, ModelLoaded):
                self._served[event.agent] = event.bundle

    def _changed(self, health: Health, now: int) -> HealthChanged:
        return HealthChanged.of(
            cause=health.check,
            time=now,
            asset=self._agent,
            discriminator=str(now),
            check=health.check,
            state=health.state,
            found=health.found,
            due_to=health.due_to,
            mend=health.mend,
        )


def training_health(
    mlflow: MlflowSettings | None, training: TrainingSettings, limits: HealthSettings, data_dir: Path, now: int
) -> Iterator[Health]:
    """The checks of trainings. Blocks; a store that is down is a finding, not an error."""
    settings = mlflow or MlflowSettings()
    try:
        found = runs.trainings(settings.uri or "", data_dir / "mlflow" / "mlflow.db", settings.timeout_s, now)
    except Unavailable as error:
        yield broken("training-runs", str(error.args[0]), "It is down, or its database is", error.mend or "Start it")
        return
    yield trainings.recent(found, training.plans, limits, now // 1_000_000)
    yield trainings.punctual(found, training.plans, limits)
    yield trainings.brisk(found, limits)
    yield trainings.above_floors(found, limits)
    yield trainings.steady(found, limits)


async def _last_told(log: Log) -> dict[str, str]:
    """The state of each check as it stands in the log."""
    events = await News([HealthChanged]).read(log.recorded)
    return {event.check: event.state for event in events if isinstance(event, HealthChanged)}
