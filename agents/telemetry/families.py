"""The metrics that a process keeps: names, what they mean, and the labels that they may have.

No label may take a value from readings or events: no asset, channel, owner, address or error text. Tasks, sinks and
streams come from the configuration, types and reasons from the code, so there are few of each.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

#: Upper bounds in seconds: a commit takes half a millisecond on an idle server, a recovery up to minutes.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0)


@dataclass(frozen=True)
class Family:
    """One metric: its series differ by the values of ``labels``. Counters are named without ``_total``."""

    kind: Kind
    name: str
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()


COMMIT = Family("histogram", "tocsin_commit_seconds", "Time until a commit was confirmed", ("task",), SECONDS)
REFUSED = Family(
    "counter", "tocsin_refusals", "Writes that were refused: by a newer owner, or elsewhere than expected",
    ("task", "reason"),
)  # fmt: skip
UNAVAILABLE = Family("counter", "tocsin_unavailable", "Writes to which the server gave no good answer", ("operation",))
READ = Family("counter", "tocsin_events_read", "Events that a task is done with", ("task",))
WRITTEN = Family("counter", "tocsin_events_written", "Events that a task appended", ("task", "type"))
RECOVERY = Family("histogram", "tocsin_recovery_seconds", "Time to bring a lane to its position", ("task",), SECONDS)
DIVERGED = Family("counter", "tocsin_divergences", "Partitions stopped by other outputs or a hole", ("task",))
SNAPSHOT = Family("histogram", "tocsin_snapshot_seconds", "Time to store a snapshot", ("task",), SECONDS)
SNAPSHOT_BYTES = Family("gauge", "tocsin_snapshot_bytes", "Size of the last snapshot", ("task",))
DELIVERY = Family(
    "histogram", "tocsin_delivery_seconds", "Time that a sink took for one try", ("sink", "outcome"), SECONDS
)
WAITED = Family(
    "counter", "tocsin_source_wait_seconds", "Time that a source was held back, with the looks", ("source",)
)
UNRECORDED = Family(
    "gauge", "tocsin_unrecorded_seconds", "How long the oldest event waits that a recorder has not written", ("task",)
)
RESTARTS = Family("counter", "tocsin_runner_restarts", "Parts that failed and were started again", ("runner", "reason"))
REQUEST = Family(
    "histogram", "tocsin_api_request_seconds", "Time until a request was answered", ("operation", "status"), SECONDS
)
CONNECTIONS = Family("gauge", "tocsin_api_connections", "Connections that stay open", ("operation",))
CPU = Family("counter", "tocsin_process_cpu_seconds", "Processor time of the process", ())
RESIDENT = Family("gauge", "tocsin_process_resident_bytes", "Memory of the process", ())
STARTED = Family("gauge", "tocsin_process_start_time_seconds", "When the process began, as Unix time", ())

FAMILIES = {
    family.name: family
    for family in (
        *(COMMIT, REFUSED, UNAVAILABLE, READ, WRITTEN, RECOVERY, DIVERGED, SNAPSHOT, SNAPSHOT_BYTES, DELIVERY),
        *(WAITED, UNRECORDED, RESTARTS, REQUEST, CONNECTIONS, CPU, RESIDENT, STARTED),
    )
}
