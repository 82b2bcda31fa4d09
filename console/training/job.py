"""One training from the command line: from the log to a result that is kept."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio.to_thread

from bus.history import History
from contracts.errors import ConfigError
from contracts.identity import digest
from contracts.instants import iso
from contracts.settings import Settings
from contracts.training import TrainingPlan
from models.cache import BundleCache
from models.environment import Environment
from models.training import Candidate, Labels, Outcome, Result, Training, key_of

from . import verdicts
from .code import code_of
from .reading import Past, newest

if TYPE_CHECKING:
    from ..train import Asked


@dataclass
class Job:
    """Trains what is asked for."""

    settings: Settings
    history: History
    asked: "Asked"
    plan: TrainingPlan

    async def result(self) -> Result:
        """The result, with the bundles of all candidates in the cache.

        One that was kept because MLflow was down is taken as it is: training again would give the same.
        """
        since, until = await self._range()
        labels = await self._labels()
        told = digest(repr(sorted(labels.series.items()))) if labels.series else ""
        name, definition = self.asked.plan, self.plan.model_dump(mode="json")
        key = key_of(name, definition, since, until, self.asked.request, told, str(self.asked.publish))
        if kept := Result.kept(self.settings.data_dir, key):
            return kept[0]
        begun = time.monotonic()
        training = Training(name, self.plan, since, until, labels)
        past = Past(self.history, since, until)
        await past.train(training)
        outcomes = await anyio.to_thread.run_sync(training.outcomes)
        facts = {
            "from": iso(since),
            "to": iso(until),
            "labels_digest": told,
            "unreadable_entries": str(past.unreadable),
        }
        result = self._made(key, training, outcomes, facts, time.monotonic() - begun)
        result.keep(self.settings.data_dir)
        return result

    async def _range(self) -> tuple[int, int]:
        until = self.asked.until if self.asked.until is not None else await newest(self.history)
        since = self.asked.since if self.asked.since is not None else until - self.plan.range_ns
        if since >= until:
            raise ConfigError([f"the range ends ({iso(until)}) before it begins ({iso(since)})"])
        return since, until

    async def _labels(self) -> Labels:
        said = await verdicts.of_log(self.history)
        return verdicts.of_file(self.asked.labels).merged(said) if self.asked.labels else said

    def _made(
        self, key: str, training: Training, outcomes: list[Outcome], facts: dict[str, str], seconds: float
    ) -> Result:
        cache = BundleCache(self.settings.data_dir)
        for each in outcomes:
            cache.put(each.bundle)
        best, why = training.chosen(outcomes)
        here = Environment.current()
        pins = {f"environment.{name}": version for name, version in sorted(here.packages.items())}
        own = {f"plan.{name}": str(value) for name, value in self.plan.model_dump(mode="json").items()}
        code = {"code": code_of(), "environment": here.hash, "environment.python": here.python}
        assert training.trained_on is not None  # noqa: S101 - the looks were taken
        return Result(
            key=key,
            plan=self.asked.plan,
            request=self.asked.request,
            model=f"{self.settings.mlflow.model_name}-{self.asked.plan}",
            alias=self.plan.alias,
            publish=self.asked.publish,
            params={**own, **facts, **training.facts(), **pins, **code},
            trained_on=training.trained_on,
            candidates=tuple(_candidate(each) for each in outcomes),
            chosen=best.label,
            why=why,
            seconds=round(seconds, 3),
        )


def _candidate(outcome: Outcome) -> Candidate:
    told = outcome.bundle.manifest.detector
    parameters = dict(told.parameters)
    return Candidate(
        label=outcome.label,
        kind=told.kind,
        parameters=parameters,
        bundle=outcome.bundle.digest,
        measures=outcome.measures,
    )
