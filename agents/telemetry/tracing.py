"""Spans for OpenTelemetry, and the trace context that travels in the log. Imported only where tracing is on.

A commit is one span. Its context goes with the entries that it appends, in the field ``x`` of each, as W3C traceparent.
Whoever handles these entries goes on with that trace when they have one, and links to all of them when there are
several. The context is no part of an event: replay, export and every digest leave it out.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import structlog
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from bus.protocol import Commit, Entry, Place
from contracts.errors import ConfigError
from contracts.settings import TracingSettings

log = structlog.get_logger()

#: Entries of one place whose context is kept until they are committed.
_KEPT = 256
#: More tell nobody anything.
_MOST_LINKS = 32
_FLUSH_MS = 2_000
_W3C = TraceContextTextMapPropagator()

Attributes = Mapping[str, str | int]


class Tracing:
    """The tracer of this process."""

    def __init__(self, processor: SpanProcessor, process: str, sample: float = 1.0) -> None:
        resource = Resource.create({"service.name": "tocsin", "service.instance.id": process})
        # A provider of our own: the global one belongs to whoever embeds us.
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(sample)),
            resource=resource,
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_links=_MOST_LINKS),
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("tocsin")
        self._seen: dict[Place, deque[tuple[int, bytes]]] = {}

    @classmethod
    def to(cls, settings: TracingSettings, process: str) -> "Tracing":
        """Send spans to the collector of the settings, in the background.

        Raises ConfigError when the exporter is not installed.
        """
        spoken = logging.getLogger("opentelemetry")
        spoken.handlers, spoken.propagate = [_Forward()], False
        exporter = exporter_class()(endpoint=settings.endpoint, timeout=settings.timeout_s)
        return cls(BatchSpanProcessor(exporter), process, settings.sample)

    def span(
        self, name: str, traces: Sequence[bytes] = (), attributes: Attributes | None = None
    ) -> AbstractContextManager[Any]:
        """A span that follows from ``traces``, contexts as they stand in entries; an error in it is recorded."""
        parent, links = _followed(traces)
        return self._tracer.start_as_current_span(
            name, context=parent, kind=SpanKind.CONSUMER, attributes=_prefixed(attributes or {}), links=links
        )

    @contextmanager
    def commit(self, commit: Commit) -> Iterator[str]:
        """Around a commit; gives the context for the entries that it appends, empty when it is not sampled."""
        stream = commit.task.partition("<")[2]
        about: dict[str, str | int] = {"task": commit.task, "partition": commit.partition}
        if stream:
            first = int(commit.expected or 0) + 1
            traces = self._between(Place(stream, commit.partition), first, int(commit.position))
            about |= {"stream": stream, "first": first, "last": int(commit.position)}
        else:
            traces = []
        about["outputs"] = sum(frame.count for _, frame in commit.outputs)
        with self.span("commit", traces, about) as span:
            yield _header(span.get_span_context())

    def seen(self, found: Mapping[Place, Sequence[Entry]]) -> None:
        """Keep the contexts of entries that were read, until what follows from them is committed."""
        for place, entries in found.items():
            for entry in entries:
                if trace := entry.fields.get(b"x"):
                    self._seen.setdefault(place, deque(maxlen=_KEPT)).append((entry.last, trace))

    def _between(self, place: Place, first: int, last: int) -> list[bytes]:
        # They stay: another task of this process may read the same place.
        return list(dict.fromkeys(trace for at, trace in self._seen.get(place, ()) if first <= at <= last))

    def close(self) -> None:
        """Send what is left, within two seconds."""
        self._provider.force_flush(_FLUSH_MS)
        self._provider.shutdown()


class _Forward(logging.Handler):
    """What the exporter says of a collector that is down, in the words and the format of our own log."""

    def emit(self, record: logging.LogRecord) -> None:
        log.warning("spans could not be sent", cause=record.getMessage()[:300])


def exporter_class() -> Any:
    """What sends spans to a collector.

    Raises ConfigError when it is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise ConfigError(
            ["tracing.enabled: the exporter is not installed"], mend="pip install 'tocsin[otel]'"
        ) from error
    return OTLPSpanExporter


def _followed(traces: Sequence[bytes]) -> tuple[Context, list[Link]]:
    contexts = [found for trace in traces[-_MOST_LINKS:] if (found := _context(trace)) is not None]
    if len(contexts) == 1:
        return set_span_in_context(NonRecordingSpan(contexts[0]), Context()), []
    return Context(), [Link(context) for context in contexts]


def _context(trace: bytes) -> SpanContext | None:
    """From the field of an entry; None when it holds no traceparent."""
    from opentelemetry.trace import get_current_span

    carrier = {"traceparent": trace.decode("ascii", "replace")}
    found = get_current_span(_W3C.extract(carrier, Context())).get_span_context()
    return found if found.is_valid else None


def _header(context: SpanContext) -> str:
    if not context.trace_flags.sampled:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _prefixed(attributes: Attributes) -> dict[str, str | int]:
    return {f"tocsin.{name}": value for name, value in attributes.items()}
