"""Trainings that stopped: asked for again where they failed by something that passes."""

import re
from collections.abc import AsyncIterator

from agents.coordinator.trainerrequests import Requests
from bus.protocol import Place
from bus.scan import scan
from contracts.events import TrainingFailed, TrainingRequested
from contracts.frames import encode
from contracts.identity import home_of

from .case import Opened
from .step import TRAINING, Step

#: What ended the process rather than the work; anything else would end it again.
_PASSING = re.compile(
    r"signal \d+|exit code (?:69|70|1\b)|not done after|.*its result cannot be read|.*cannot be started"
)


async def steps(opened: Opened) -> AsyncIterator[Step]:
    """For each plan whose last training failed, what can be done."""
    plans = opened.case.loaded.settings.training.plans
    requests, failed = Requests(plans), dict[str, TrainingFailed]()
    place = Place(TrainingRequested.stream, home_of(TrainingRequested.stream, opened.bus.partitions))
    async for found in scan(opened.history, place):
        for event in found.events:
            requests.take(event)
            if isinstance(event, TrainingFailed):
                failed[event.request] = event
    last = {request.plan: request for request in requests.requested.values()}
    for plan, request in last.items():
        if plan in plans and request.id in failed:
            yield _step(opened, request, failed[request.id])


def _step(opened: Opened, request: TrainingRequested, failure: TrainingFailed) -> Step:
    wrong = f"the last training of {request.plan} failed: {failure.error[:200]}"
    if not _PASSING.match(failure.error):
        action = "see why; it would fail again on the same readings"
        return Step("training", TRAINING, wrong, action, f"tocsin train {request.plan} --from … --to …", safe=False)
    again = TrainingRequested.of(
        cause=failure.id,
        # The same range: what it did not learn then.
        time=request.time,
        asset="trainer",
        discriminator="recover",
        plan=request.plan,
        reason="asked",
        by=opened.case.by,
    )
    action = "ask the trainer for it again, on the same readings; the coordinator begins with it by itself"
    return Step(
        f"training.{request.plan}",
        TRAINING,
        wrong,
        action,
        f"tocsin train {request.plan} --request",
        act=lambda: _ask(opened, again),
    )


async def _ask(opened: Opened, request: TrainingRequested) -> str:
    place = Place(request.stream, home_of(request.stream, opened.bus.partitions))
    await opened.bus.append(place, list(encode([request], "recover")))
    await opened.bus.persist()
    return f"asked for again as {request.id[:12]}"
