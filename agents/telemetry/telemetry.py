"""What runners say of what they do: counted always, traced where that is wanted."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import families
from .metrics import Metrics

if TYPE_CHECKING:
    from .tracing import Tracing


@dataclass(frozen=True)
class Telemetry:
    """The numbers of this process, and its tracer where tracing is on."""

    metrics: Metrics = field(default_factory=Metrics)
    tracing: "Tracing | None" = None
    clock: Callable[[], float] = time.perf_counter

    @contextmanager
    def recovery(self, task: str, partition: int) -> Iterator[None]:
        """Around all that brings a lane to its position."""
        with self.span("recover", task=task, partition=partition):
            begun = self.clock()
            yield
            self.metrics.observe(families.RECOVERY, task, value=self.clock() - begun)

    @contextmanager
    def delivery(self, sink: str, trace: bytes = b"") -> Iterator[None]:
        """Around one try of a sink; ``trace`` is the field ``x`` of the entry that is delivered."""
        begun, outcome = self.clock(), "failed"
        with self.span("deliver", trace, sink=sink):
            try:
                yield
                outcome = "delivered"
            finally:
                self.metrics.observe(families.DELIVERY, sink, outcome, value=self.clock() - begun)

    def waited(self, source: str, seconds: float) -> None:
        """A source was held back for so long."""
        self.metrics.add(families.WAITED, source, amount=seconds)

    def restarted(self, runner: str, reason: str) -> None:
        """A runner raised, and is started again."""
        self.metrics.add(families.RESTARTS, runner, reason)

    def diverged(self, task: str) -> None:
        """A partition of a task was stopped."""
        self.metrics.add(families.DIVERGED, task)

    def span(self, name: str, trace: bytes = b"", **attributes: str | int) -> AbstractContextManager[Any]:
        """A span that goes on with a trace; nothing where tracing is off."""
        if self.tracing is None:
            return nullcontext()
        return self.tracing.span(name, [trace] if trace else [], attributes)
