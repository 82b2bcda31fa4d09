"""What the lines of the log are about while a runner is at it: bound once for each read, never for each event."""

from contextlib import AbstractContextManager

from structlog.contextvars import bound_contextvars

from bus.protocol import Place
from contracts.events import AnyEvent, ReadingsEvent


def about(task: str, place: Place, bundle: str = "") -> AbstractContextManager[object]:
    """Task, partition, stream and, where one scores, bundle on every line that is written within."""
    said: dict[str, object] = {"task": task, "partition": place.partition, "stream": place.stream}
    return bound_contextvars(**said, bundle=bundle) if bundle else bound_contextvars(**said)


def id_of(event: AnyEvent) -> str:
    """The id of an event; of readings that of the first one."""
    return event.row_id(event.readings.id_of(0)) if isinstance(event, ReadingsEvent) else event.id
