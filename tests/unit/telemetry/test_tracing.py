"""Spans follow events through the log; the log stays the same with them and without."""

from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agents.telemetry import Telemetry, metered
from agents.telemetry.tracing import Tracing
from bus.memory import MemoryBus
from bus.protocol import Bus, Place, Snapshot
from contracts.events import DataQualityIncident, ReadingsAcquired
from tests.unit.runtime.counting import Counter, feed, home, plant, process, story

INPUT = ReadingsAcquired.stream
TASK = f"counter<{INPUT}"


class Traced:
    """A memory bus with spans that a test can look at."""

    def __init__(self, sample: float = 1.0) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracing = Tracing(SimpleSpanProcessor(self.exporter), "test", sample)
        self.telemetry = Telemetry(tracing=self.tracing)
        self.inner = MemoryBus(1)
        self.bus: Bus = metered(self.inner, self.telemetry)

    def spans(self, name: str = "commit", **attributes: Any) -> list[ReadableSpan]:
        wanted = {f"tocsin.{key}": value for key, value in attributes.items()}
        return [
            span
            for span in self.exporter.get_finished_spans()
            if span.name == name and wanted.items() <= dict(span.attributes or {}).items()
        ]

    async def contexts(self, stream: str) -> Sequence[bytes]:
        entries = await self.inner.range(Place(stream, 0), 1, 10**9, count=10**6)
        return [entry.fields.get(b"x", b"") for entry in entries]


def traceparent(span: ReadableSpan) -> bytes:
    context = span.get_span_context()
    assert context is not None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}".encode()


async def test_what_follows_from_one_commit_goes_on_with_its_trace() -> None:
    traced = Traced()
    await feed(traced.bus, plant(50, assets=1), 50)
    await process(home(traced.bus), Counter())
    (source,) = traced.spans(task="source:plant")
    assert await traced.contexts(INPUT) == [traceparent(source)]
    (span,) = traced.spans(task=TASK)
    assert (span.parent and span.parent.span_id) == source.get_span_context().span_id  # type: ignore[union-attr]  # it has one
    assert span.get_span_context().trace_id == source.get_span_context().trace_id  # type: ignore[union-attr]  # it has one
    assert dict(span.attributes or {}) == {
        "tocsin.task": TASK, "tocsin.partition": 0, "tocsin.stream": INPUT,
        "tocsin.first": 1, "tocsin.last": 50, "tocsin.outputs": 10,
    }  # fmt: skip
    assert set(await traced.contexts(DataQualityIncident.stream)) == {traceparent(span)}


async def test_what_follows_from_several_links_to_all_of_them() -> None:
    traced = Traced()
    await feed(traced.bus, plant(30, assets=1), 30, task="source:one")
    await feed(traced.bus, plant(30, assets=1), 30, task="source:two")
    await process(home(traced.bus), Counter())
    (span,) = traced.spans(task=TASK)
    assert span.parent is None
    found = {link.context.span_id for link in span.links}
    sources = [*traced.spans(task="source:one"), *traced.spans(task="source:two")]
    assert found == {source.get_span_context().span_id for source in sources}  # type: ignore[union-attr]  # it has one


async def test_what_was_committed_before_is_followed_no_more() -> None:
    traced = Traced()
    for number, name in enumerate(("one", "two")):
        await feed(traced.bus, plant(30, assets=1), 30, task=f"source:{name}")
        await process(home(traced.bus), Counter())
        (source,) = traced.spans(task=f"source:{name}")
        span = traced.spans(task=TASK)[number]
        assert (span.parent and span.parent.span_id) == source.get_span_context().span_id  # type: ignore[union-attr]  # it has one


async def test_the_log_is_the_same_with_traces_and_without() -> None:
    told, digests = [], []
    for bus in (MemoryBus(1), Traced().bus):
        await feed(bus, plant(100), 10)
        await process(home(bus), Counter())
        told.append(await story(bus, INPUT, DataQualityIncident.stream))
        entries = await bus.range(Place(INPUT, 0), 1, 10**9, count=10**6)
        digests.append([entry.fields[b"d"] for entry in entries])
    assert told[0] == told[1]
    assert digests[0] == digests[1]


async def test_without_tracing_no_entry_has_a_context() -> None:
    inner = MemoryBus(1)
    await feed(metered(inner, Telemetry()), plant(20), 10)
    entries = await inner.range(Place(INPUT, 0), 1, 10**9, count=10**6)
    assert entries
    assert all(b"x" not in entry.fields for entry in entries)


async def test_what_is_not_sampled_leaves_no_context() -> None:
    traced = Traced(sample=0.0)
    await feed(traced.bus, plant(20, assets=1), 10)
    assert traced.spans() == []
    assert set(await traced.contexts(INPUT)) == {b""}


@pytest.mark.parametrize("context", [b"", b"\xff\xfe", b"00-zz-zz-01", b"x" * 10_000])
async def test_a_context_that_is_none_starts_a_new_trace(context: bytes) -> None:
    traced = Traced()
    with traced.telemetry.delivery("file", context):
        pass
    assert set(traced.telemetry.metrics.series["tocsin_delivery_seconds"]) == {("file", "delivered")}
    (span,) = traced.spans("deliver", sink="file")
    assert span.parent is None
    assert not span.links


async def test_deliveries_recoveries_and_snapshots_are_spans_and_errors_stand_in_them() -> None:
    traced = Traced()
    with pytest.raises(OSError, match="printer"), traced.telemetry.delivery("printer"):
        raise OSError("the printer is on fire")
    with traced.telemetry.recovery(TASK, 3):
        pass
    await traced.bus.save(0, TASK, 1, Snapshot("5", b"x"))
    (failed,) = traced.spans("deliver", sink="printer")
    assert not failed.status.is_ok
    assert traced.spans("recover", task=TASK, partition=3)
    assert traced.spans("snapshot", task=TASK, partition=0)
    assert set(traced.telemetry.metrics.series["tocsin_delivery_seconds"]) == {("printer", "failed")}
    assert sum(traced.telemetry.metrics.series["tocsin_recovery_seconds"][TASK,][:-1]) == 1.0


async def test_contexts_that_nobody_commits_do_not_pile_up() -> None:
    traced = Traced()
    await feed(traced.bus, plant(2000, assets=1), 1)
    for _ in range(3):
        await traced.bus.read({Place(INPUT, 0): 0}, count=2000)
    assert len(traced.tracing._seen[Place(INPUT, 0)]) <= 256
