"""Numbers in the text format of Prometheus, from the reports of processes and a look at the log."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.telemetry import FAMILIES, Family, Report

from ..host import Child
from ..standing import Overview

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, eq=False)  # the registry wants it hashable
class Exposition(Collector):
    """One scrape. ``overview`` is None while the server does not answer: then nothing is said about the log."""

    reports: Sequence[Report]
    now: float
    children: Sequence[Child] = ()
    overview: Overview | None = None

    def text(self) -> bytes:
        """In the text format."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES.values():
            yield self._of_processes(family)
        yield from self._of_children()
        up = GaugeMetricFamily("tocsin_server_up", "Whether the server that holds the log answers")
        up.add_metric([], float(self.overview is not None))
        yield up
        if self.overview is not None:
            yield from _of_log(self.overview)

    def _of_processes(self, family: Family) -> Metric:
        """A series per process: one that is started again begins at zero, which Prometheus knows how to read."""
        kind: type[Any] = {
            "counter": CounterMetricFamily,
            "gauge": GaugeMetricFamily,
            "histogram": HistogramMetricFamily,
        }[family.kind]
        metric: Metric = kind(family.name, family.help, labels=("process", *family.labels))
        for report in self.reports:
            for labels, slot in report.series.get(family.name, {}).items():
                values = [report.process, *labels]
                if isinstance(metric, HistogramMetricFamily):
                    metric.add_metric(values, _cumulated(family, slot), slot[-1])
                elif isinstance(metric, CounterMetricFamily | GaugeMetricFamily):
                    metric.add_metric(values, slot[0])
        return metric

    def _of_children(self) -> Iterator[Metric]:
        age = GaugeMetricFamily("tocsin_report_age_seconds", "Age of a process's numbers", labels=["process"])
        for report in self.reports:
            age.add_metric([report.process], max(0.0, self.now - report.written))
        yield age
        if not self.children:
            return
        up = GaugeMetricFamily("tocsin_child_up", "Whether a supervised process runs", labels=["process"])
        restarts = CounterMetricFamily("tocsin_child_restarts", "Times that it was started again", labels=["process"])
        for child in self.children:
            up.add_metric([child.name], float(child.running))
            restarts.add_metric([child.name], child.restarts)
        yield from (up, restarts)


def _cumulated(family: Family, slot: Sequence[float]) -> list[tuple[str, float]]:
    out, total = [], 0.0
    for bound, count in zip((*map(str, family.buckets), "+Inf"), slot, strict=False):
        total += count
        out.append((bound, total))
    return out


def _of_log(overview: Overview) -> Iterator[Metric]:
    behind = GaugeMetricFamily("tocsin_lag_events", "Events that a task has not handled yet", labels=["task"])
    done = CounterMetricFamily("tocsin_position_events", "Events that a task is done with, ever", labels=["task"])
    oldest = GaugeMetricFamily(
        "tocsin_oldest_unread_timestamp_seconds", "Event time of the oldest event that a task has not handled",
        labels=["task"],
    )  # fmt: skip
    pending = GaugeMetricFamily(
        "tocsin_pending_entries", "Entries that a sink took and did not settle", labels=["task"]
    )
    owners = GaugeMetricFamily("tocsin_task_owners", "Processes that hold partitions of a task", labels=["task"])
    for task in overview.tasks:
        behind.add_metric([task.task], task.behind)
        done.add_metric([task.task], task.done)
        if task.oldest_ns is not None:
            oldest.add_metric([task.task], task.oldest_ns / 1e9)
        if task.kind == "sink":
            pending.add_metric([task.task], task.pending)
        else:
            owners.add_metric([task.task], len(task.owners))
    lengths = GaugeMetricFamily("tocsin_stream_events", "Events that a stream holds on the server", labels=["stream"])
    for stream, length in overview.lengths.items():
        lengths.add_metric([stream], length)
    letters = GaugeMetricFamily("tocsin_dead_letters_open", "Dead letters about which nothing was done yet")
    letters.add_metric([], overview.open_letters)
    memory = GaugeMetricFamily("tocsin_memory_used_ratio", "Share of the server's memory limit that is used")
    memory.add_metric([], overview.fullness)
    yield from (behind, done, oldest, pending, owners, lengths, letters, memory)
