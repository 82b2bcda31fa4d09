"""Ends a rollout by itself when one of its guards is broken."""

from collections.abc import Sequence

import structlog
from pydantic import PrivateAttr

from bus.news import News
from contracts.events import Event, RolloutChanged

from ..parts import Chore, Context, Log
from .judgement import broken
from .record import KINDS, Record, Rollout

log = structlog.get_logger()
BY = "guard"


class RolloutGuard(Chore):
    """Takes in what bundles did and what people said of alerts; everything it knows stands in the log."""

    _agent: str = PrivateAttr(default="coordinator")
    _news: News = PrivateAttr(default_factory=lambda: News(KINDS))
    _record: Record = PrivateAttr(default_factory=Record)

    def prepare(self, context: Context) -> None:
        self._agent = context.agent or "coordinator"

    async def tend(self, log: Log) -> Sequence[Event]:
        """Judge every rollout that runs."""
        self._record.learn(await self._news.read(log.recorded))
        running = [rollout for rollout in self._record.rollouts.values() if rollout.running]
        judged = [(rollout, broken(rollout, self._record)) for rollout in running]
        return [self._aborted(rollout, why, log.now_ns) for rollout, why in judged if why]

    def _aborted(self, rollout: Rollout, why: Sequence[str], now: int) -> RolloutChanged:
        begun, told = rollout.begun, "; ".join(why)
        log.warning("rollout ended by its guard", agent=begun.agent, bundle=begun.candidate.bundle, why=told)
        return RolloutChanged.of(
            cause=begun.id,
            time=now,
            asset=begun.asset,
            agent=begun.agent,
            state="aborted",
            candidate=begun.candidate,
            guard=begun.guard,
            name=begun.name,
            model_version=begun.model_version,
            by=BY,
            why=told,
        )
