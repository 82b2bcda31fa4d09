"""Segments as runs of MLflow: one run each, found again by its tags, trusted only once its artifact was read back."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from contracts.errors import NotFound, Unavailable
from models.artifacts import download, listed
from models.cache import Step, no_step
from models.files import content_digest
from models.tracking import Tracking

from .segments import Lane, Segment, packed, unpacked

ARTIFACT = "findings.ndjson.gz"
KIND, STORE, LANE, SEGMENT = "tocsin.kind", "tocsin.store", "tocsin.lane", "tocsin.segment"
FIRST, LAST, DIGEST, COUNT = "tocsin.first", "tocsin.last", "tocsin.digest", "tocsin.count"
MODEL, DISCARDED = "tocsin.model", "tocsin.discarded"


@dataclass(frozen=True)
class Record:
    """A run that holds a segment, or was begun to hold it."""

    run_id: str
    first: int
    last: int
    count: int
    digest: str
    finished: bool
    artifacts: str
    discarded: bool = False


class Ledger:
    """The runs of one experiment."""

    def __init__(self, tracking: Tracking, experiment: str, scratch: Path, step: Step = no_step) -> None:
        self.tracking, self.scratch, self._name, self._step = tracking, scratch, experiment, step
        self._experiment = ""

    @property
    def experiment(self) -> str:
        """Its id; asked for once."""
        if not self._experiment:
            self._experiment = self.tracking.experiment(self._name)
        return self._experiment

    def earlier(self, lane: Lane, first: int, last: int) -> list[Record]:
        """Runs of the lane that share an ordinal with the range, in order: what was done before a crash."""
        where = f"tags.`{LANE}` = '{lane}' and tags.`{KIND}` = 'lineage'"
        # Ordinals are written with leading zeros, so that MLflow, which compares text, puts the latest first.
        order = f"tags.`{LAST}` DESC"
        rows = self.tracking.runs(self.experiment, where, order)
        found = takewhile(lambda record: record.last >= first, map(_record, rows))
        return sorted((record for record in found if record.first <= last), key=lambda record: record.first)

    def record(self, run_id: str) -> Record:
        """One run. Raises NotFound when there is none, or it holds no findings."""
        run = self.tracking.ask("find run", self.tracking.client.get_run, run_id)
        if run.data.tags.get(KIND) != "lineage":
            raise NotFound(f"MLflow run {run_id} holds no findings")
        return _record(run)

    def begin(self, segment: Segment, more: Mapping[str, str]) -> Record:
        """A new run for the segment, and no other one.

        Raises Unavailable when somebody else has recorded the segment meanwhile: the next try will find it.
        """
        self._step("begin")
        lane = segment.lane
        tags = {
            KIND: "lineage",
            STORE: lane.store,
            LANE: str(lane),
            SEGMENT: segment.name,
            FIRST: f"{segment.first:019d}",
            LAST: f"{segment.last:019d}",
            DIGEST: segment.digest,
            COUNT: str(len(segment.findings)),
            **more,
        }
        run_id = self.tracking.begin_run(self.experiment, f"lineage {segment.name}", tags)
        self._step("alone")
        ours, *others = sorted(self._same(segment), key=lambda record: record.run_id != run_id)
        for other in others:
            if other.finished:
                self.discard(ours)
                raise Unavailable(f"{segment.name} was recorded by somebody else meanwhile: MLflow run {other.run_id}")
            # The client repeats a request whose answer was lost, and then there are two runs.
            self.discard(other)
        return ours

    def _same(self, segment: Segment) -> list[Record]:
        where = f"tags.`{LANE}` = '{segment.lane}' and tags.`{SEGMENT}` = '{segment.name}'"
        return [_record(row) for row in self.tracking.runs(self.experiment, where)]

    def fill(self, record: Record, segment: Segment) -> Record:
        """Write everything of the segment into its run, read it back, and end the run.

        Can be repeated after a crash anywhere in it. Raises Unavailable, also when what comes back differs.
        """
        self._step("params")
        self.tracking.log(record.run_id, segment.params, segment.metrics, segment.at_ms)
        self._step("dataset")
        name = f"{segment.lane.stream}/{segment.lane.partition}"
        self.tracking.log_dataset(record.run_id, name, record.digest, segment.source, segment.profile)
        self._step("artifact")
        self._upload(record.run_id, packed(segment.body))
        self._step("verify")
        self.read(record)
        self._step("end")
        self.tracking.ask("end run", self.tracking.client.set_terminated, record.run_id, "FINISHED")
        self._step("done")
        return record

    def read(self, record: Record) -> list[bytes]:
        """The lines of a run's artifact, verified.

        Raises Unavailable when they are not there or not the ones that its tags name.
        """
        where = f"MLflow run {record.run_id} (findings {record.first}-{record.last})"
        sizes = listed(self.tracking, record.artifacts)
        if ARTIFACT not in sizes:
            raise Unavailable(f"{where} has no {ARTIFACT}")
        data = download(self.tracking, record.artifacts, {ARTIFACT: sizes[ARTIFACT]}, self.scratch)
        try:
            body = unpacked(data[ARTIFACT])
        except ValueError as error:
            raise Unavailable(f"{where}: {ARTIFACT} is damaged: {error}") from error
        if content_digest(body) != record.digest:
            raise Unavailable(f"{where}: {ARTIFACT} is not what was recorded: its digest differs")
        return body.splitlines()

    def discard(self, record: Record) -> None:
        """Delete a run that was begun and can no longer be finished as it is.

        It is marked first, and never finished then: a request to delete that was given up may arrive later.
        """
        self._step("discard")
        self.tracking.ask("mark run", self.tracking.client.set_tag, record.run_id, DISCARDED, "yes")
        self._step("delete")
        self.tracking.ask("delete run", self.tracking.client.delete_run, record.run_id)

    def _upload(self, run_id: str, data: bytes) -> None:
        try:
            self.scratch.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".segment-", dir=self.scratch) as folder:
                path = Path(folder) / ARTIFACT
                path.write_bytes(data)
                self.tracking.ask("upload", self.tracking.client.log_artifact, run_id, os.fspath(path))
        except OSError as error:
            raise Unavailable(f"{self.scratch}: cannot be written: {error.strerror}") from error


def _record(run: Any) -> Record:
    tags: Mapping[str, str] = run.data.tags
    return Record(
        run_id=str(run.info.run_id),
        first=int(tags[FIRST]),
        last=int(tags[LAST]),
        count=int(tags[COUNT]),
        digest=tags[DIGEST],
        finished=run.info.status == "FINISHED",
        artifacts=str(run.info.artifact_uri),
        discarded=DISCARDED in tags,
    )
