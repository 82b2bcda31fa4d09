"""What is written to the log about a training: that it is wanted, and that it is done."""

from bus.history import History
from bus.protocol import Bus, Place
from contracts.events import Event, ModelTrained, TrainingRequested
from contracts.frames import encode
from contracts.identity import home_of
from models.training import Result

from .reading import newest
from .settling import Settled

_WRITER = "train"


async def ask(bus: Bus, history: History, plan: str, until: int | None) -> str:
    """Ask the trainer for a training on the plan's range before ``until``; returns the id of the request.

    Asking twice for the same range is asking once.
    """
    time = until if until is not None else await newest(history)
    about = {"cause": plan, "asset": _WRITER, "discriminator": "asked"}
    event = TrainingRequested.of(**about, time=time, plan=plan, reason="asked", by="command line")
    await _append(bus, event)
    return event.id


async def tell(bus: Bus, result: Result, settled: Settled) -> None:
    """Write down that a model was trained and published."""
    event = ModelTrained.of(
        cause=result.key,
        time=result.trained_on.until,
        asset=_WRITER,
        plan=result.plan,
        request=result.request,
        bundle=result.best.bundle,
        name=settled.name,
        model_version=settled.model_version,
        run_id=settled.run_id,
        seconds=result.seconds,
        metrics=result.best.measures,
    )
    await _append(bus, event)


async def _append(bus: Bus, event: Event) -> None:
    place = Place(event.stream, home_of(event.stream, bus.partitions))
    await bus.append(place, list(encode([event], _WRITER)))
    await bus.persist()
