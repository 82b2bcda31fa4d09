"""The coordinator with real MLflow stores: every finding recorded once, whatever is killed and however it is cut."""

import gzip
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

from agents.coordinator import Coordinator, LineageRecorder, Publisher
from agents.coordinator.desk import Desk
from agents.coordinator.index.store import Version
from agents.coordinator.ledger import ARTIFACT, Ledger
from agents.coordinator.lookup import confirmed, lineage
from agents.coordinator.segments import Lane, cut, line, packed, unpacked
from agents.parts import Batch, Context
from contracts.errors import Diverged, NotFound, Unavailable
from contracts.events import (
    AnomalyCleared,
    AnomalyDetected,
    AnyEvent,
    Evidence,
    Finding,
    LineageRecorded,
    ModelLoaded,
    ModelPublished,
    ModelRefused,
)
from contracts.settings import MlflowSettings
from models.bundle import Bundle, builtin
from models.cache import BundleCache
from models.tracking import Tracking
from tests.integration.mlflow_stores import local_store, served

ROOT = Path(__file__).parents[2]
SECOND = 1_000_000_000
STEPS = ("begin", "alone", "params", "dataset", "artifact", "verify", "end", "done")


class Killed(BaseException):
    """As sudden as kill -9 is for what is in memory."""


@pytest.fixture(scope="module")
def made() -> Bundle:
    return builtin("ewma")


@pytest.fixture
def folder(tmp_path: Path, template: Path) -> Path:
    local_store(tmp_path, template)
    return tmp_path


def finding(number: int, bundle: str = "b" * 64) -> Finding:
    """The finding at an ordinal: every third one a clearance."""
    about: dict[str, Any] = {
        "time": number * SECOND,
        "asset": "pump-1",
        "channel": "flow",
        "detector": "ewma",
        "bundle": bundle,
        "feature_set": "f" * 32,
        "environment": "e" * 32,
        "evidence": Evidence(stream="readings.accepted", first=number, last=number + 9),
    }
    if number % 3 == 0:
        return AnomalyCleared.of(cause=f"c{number}", lasted=3 * SECOND, **about)
    return AnomalyDetected.of(
        cause=f"r{number}", score=0.97, threshold=0.9, reason="level", value=1.5 + number, **about
    )


def batch(first: int, last: int, *, partition: int = 3, skip: Sequence[int] = (), **about: Any) -> Batch:
    events: list[AnyEvent] = [finding(number, **about) for number in range(first, last + 1) if number not in skip]
    return Batch("anomalies", partition, first, last, events)


def recorder(folder: Path, step: Callable[[str], None] | None = None, **fields: Any) -> LineageRecorder:
    """A recorder as a new process has it."""
    made = LineageRecorder(store="log-1", **fields)
    made.prepare(Context("coordinator", folder))
    if step is not None:
        made._desk = Desk(made.mlflow, folder, step)
    return made


def record(folder: Path, what: Batch, step: Callable[[str], None] | None = None) -> list[LineageRecorded]:
    """Record a batch in a new process, as far as memory goes."""
    receipts = anyio.run(recorder(folder, step).record, what)
    return [receipt for receipt in receipts if isinstance(receipt, LineageRecorded)]


def runs(folder: Path) -> list[Any]:
    """All lineage runs, as somebody sees them who only has MLflow."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow/mlflow.db")
    found = client.search_runs([item.experiment_id for item in client.search_experiments()], max_results=1000)
    return sorted(
        (run for run in found if run.data.tags["tocsin.kind"] == "lineage"),
        key=lambda run: run.data.tags["tocsin.first"],
    )


def content(run: Any) -> list[dict[str, Any]]:
    """The findings in a run of a local store."""
    path = Path(urlsplit(run.info.artifact_uri).path) / ARTIFACT
    return [json.loads(text) for text in gzip.decompress(path.read_bytes()).splitlines()]


def recorded_ids(folder: Path) -> list[str]:
    return [row["id"] for run in runs(folder) for row in content(run)]


def ids(first: int, last: int) -> list[str]:
    return [finding(number).id for number in range(first, last + 1)]


def test_a_batch_becomes_one_finished_run_that_plain_mlflow_reads(folder: Path) -> None:
    (receipt,) = record(folder, batch(1, 30))
    (run,) = runs(folder)
    assert (receipt.run_id, receipt.findings, receipt.first, receipt.last) == (run.info.run_id, "anomalies", 1, 30)
    assert run.info.status == "FINISHED"
    assert run.data.tags["tocsin.segment"] == "anomalies:3:1-30"
    assert run.data.tags["tocsin.store"] == "log-1"
    assert run.data.tags["tocsin.digest"] == receipt.digest
    assert run.data.params == {
        "bundle": "b" * 64,
        "detector": "ewma",
        "feature_set": "f" * 32,
        "environment": "e" * 32,
    }
    assert run.data.metrics == {"findings": 30, "AnomalyDetected": 20, "AnomalyCleared": 10}
    assert [row["id"] for row in content(run)] == ids(1, 30)
    assert content(run)[0] == {"type": "AnomalyDetected", **finding(1).model_dump(mode="json")}
    (data,) = run.inputs.dataset_inputs
    assert data.dataset.name == "anomalies/3"
    source = {"store": "log-1", "stream": "anomalies", "partition": 3, "first": 1, "last": 30}
    assert json.loads(data.dataset.source) == source
    assert json.loads(data.dataset.profile) == {
        "findings": 30,
        "since": "1970-01-01T00:00:01Z",
        "until": "1970-01-01T00:00:30Z",
        "evidence": {"readings.accepted": [1, 39]},
    }


def test_called_twice_it_records_once_and_gives_the_same_receipt(folder: Path) -> None:
    first = record(folder, batch(1, 30))
    assert record(folder, batch(1, 30)) == first
    assert len(runs(folder)) == 1


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_finds_its_own_run(step: str, folder: Path) -> None:
    def die(name: str) -> None:
        if name == step:
            raise Killed(step)

    with pytest.raises(Killed):
        record(folder, batch(1, 30), die)
    begun = [run.info.run_id for run in runs(folder)]
    (receipt,) = record(folder, batch(1, 30))
    assert recorded_ids(folder) == ids(1, 30)
    assert len(runs(folder)) == 1
    assert begun in ([], [receipt.run_id])
    assert bool(begun) == (step != "begin")


def test_the_steps_are_the_ones_that_are_tested(folder: Path) -> None:
    seen: list[str] = []
    record(folder, batch(1, 5), seen.append)
    assert tuple(seen) == STEPS


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("again", "then"), [((1, 45), None), ((1, 20), (21, 45))])
def test_killed_and_called_again_with_another_cut_nothing_is_lost_or_doubled(
    step: str, again: tuple[int, int], then: tuple[int, int] | None, folder: Path
) -> None:
    def die(name: str) -> None:
        if name == step:
            raise Killed(step)

    with pytest.raises(Killed):
        record(folder, batch(1, 30), die)
    receipts = record(folder, batch(*again))
    if then:
        receipts += record(folder, batch(*then))
    assert recorded_ids(folder) == ids(1, 45)
    ranges = [(receipt.first, receipt.last) for receipt in receipts]
    assert ranges[0][0] == 1
    assert ranges[-1][1] == 45
    assert [first for first, _ in ranges[1:]] == [last + 1 for _, last in ranges[:-1]]
    assert [run.info.status for run in runs(folder)] == ["FINISHED"] * len(receipts)


def test_a_run_that_was_begun_with_other_content_is_not_finished_with_ours(folder: Path) -> None:
    def die(name: str) -> None:
        if name == "params":
            raise Killed(name)

    with pytest.raises(Killed):
        record(folder, batch(1, 30, bundle="c" * 64), die)
    record(folder, batch(1, 30))
    assert recorded_ids(folder) == ids(1, 30)
    assert runs(folder)[0].data.params["bundle"] == "b" * 64


def test_ordinals_are_compared_as_numbers(folder: Path) -> None:
    record(folder, batch(1, 9))
    record(folder, batch(10, 100))
    receipts = record(folder, batch(50, 120))
    assert [(receipt.first, receipt.last) for receipt in receipts] == [(10, 100), (101, 120)]
    assert recorded_ids(folder) == ids(1, 120)


def test_many_findings_are_cut_into_segments_of_two_thousand(folder: Path) -> None:
    receipts = record(folder, batch(1, 4_100))
    assert [(receipt.first, receipt.last) for receipt in receipts] == [(1, 2000), (2001, 4000), (4001, 4100)]
    assert recorded_ids(folder) == ids(1, 4_100)


def test_entries_that_could_not_be_read_leave_no_gap_between_segments(folder: Path) -> None:
    skipped = (5, 6, 30)
    first = record(folder, batch(1, 30, skip=skipped))
    second = record(folder, batch(1, 40, skip=skipped))
    assert [(receipt.first, receipt.last) for receipt in first + second] == [(1, 30), (1, 30), (31, 40)]
    assert recorded_ids(folder) == [finding(n).id for n in range(1, 41) if n not in skipped]


def test_lanes_do_not_see_each_other(folder: Path) -> None:
    for partition in (3, 30):
        record(folder, batch(1, 10, partition=partition))
    record(folder, Batch("drift", 3, 1, 1, [finding(1)]))
    names = [run.data.tags["tocsin.segment"] for run in runs(folder)]
    assert sorted(names) == ["anomalies:30:1-10", "anomalies:3:1-10", "drift:3:1-1"]


def test_another_log_under_the_same_name_is_noticed(folder: Path) -> None:
    record(folder, batch(1, 10))
    other = batch(1, 10, bundle="c" * 64)
    with pytest.raises(Diverged, match="holds other findings for log-1:anomalies:3 1-10"):
        record(folder, other)


@pytest.mark.parametrize("damage", ["cut", "other", "gone"])
def test_a_damaged_artifact_is_not_taken_for_a_record(damage: str, folder: Path) -> None:
    record(folder, batch(1, 10))
    path = Path(urlsplit(runs(folder)[0].info.artifact_uri).path) / ARTIFACT
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    elif damage == "other":
        path.write_bytes(packed(b"{}\n"))
    else:
        path.unlink()
    with pytest.raises(Unavailable, match=r"damaged|digest differs|has no findings"):
        record(folder, batch(1, 20))


def test_an_upload_that_arrives_damaged_is_not_acknowledged_and_mended(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("agents.coordinator.ledger.packed", lambda body: packed(body[:-5]))
        with pytest.raises(Unavailable, match="is not what was recorded"):
            record(folder, batch(1, 10))
    assert [run.info.status for run in runs(folder)] == ["RUNNING"]
    assert len(record(folder, batch(1, 10))) == 1
    assert recorded_ids(folder) == ids(1, 10)


def test_a_run_that_was_begun_twice_because_an_answer_was_lost_is_there_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Tracking.begin_run

    def repeated(*arguments: Any) -> str:
        begin(*arguments)
        return begin(*arguments)

    monkeypatch.setattr(Tracking, "begin_run", repeated)
    (receipt,) = record(folder, batch(1, 30))
    assert [run.info.run_id for run in runs(folder)] == [receipt.run_id]
    assert recorded_ids(folder) == ids(1, 30)


def test_a_run_that_was_to_be_deleted_is_never_finished(folder: Path) -> None:
    """The request to delete it was given up, and is carried out much later."""

    def die(name: str) -> None:
        if name in ("params", "delete"):
            raise Killed(name)

    with pytest.raises(Killed):
        record(folder, batch(1, 30), die)
    late = runs(folder)[0].info.run_id
    with pytest.raises(Killed):
        # The findings seem to end here: the run that was begun reaches beyond them.
        record(folder, batch(1, 20), die)
    receipts = record(folder, batch(1, 30))
    Desk(None, folder).tracking().client.delete_run(late)
    assert late not in {receipt.run_id for receipt in receipts}
    assert recorded_ids(folder) == ids(1, 30)


def test_what_somebody_else_recorded_meanwhile_is_kept_and_found(folder: Path) -> None:
    def meanwhile(step: str) -> None:
        if step == "begin":
            record(folder, batch(1, 30))

    with pytest.raises(Unavailable, match="recorded by somebody else"):
        record(folder, batch(1, 30), meanwhile)
    (receipt,) = record(folder, batch(1, 30))
    assert [run.info.run_id for run in runs(folder)] == [receipt.run_id]


def test_nothing_to_record_gives_no_receipt_and_does_not_ask_mlflow(tmp_path: Path) -> None:
    assert record(tmp_path, Batch("anomalies", 0, 1, 5, [])) == []
    assert not (tmp_path / "mlflow").exists()


def publisher(folder: Path, **fields: Any) -> Publisher:
    made = Publisher(**fields)
    made.prepare(Context("coordinator", folder))
    return made


def loaded(bundle: str, number: int = 1) -> ModelLoaded:
    return ModelLoaded.of(cause="start", time=number, asset="anomaly", bundle=bundle, agent="anomaly")


async def test_a_bundle_that_is_served_gets_a_version(folder: Path, made: Bundle) -> None:
    BundleCache(folder).put(made)
    events = [loaded(made.digest, 1), loaded(made.digest, 2)]
    one = publisher(folder)
    first = await one.record(Batch("models", 0, 1, 2, events))
    assert [type(event) for event in first] == [ModelPublished]
    event = first[0]
    assert isinstance(event, ModelPublished)
    assert (event.name, event.model_version, event.bundle) == ("tocsin-detector-ewma", "1", made.digest)
    assert event.cause == events[0].id
    # Its receipt was not committed: the same again. Told already: nothing. Another process: the same version.
    assert await one.record(Batch("models", 0, 1, 2, events)) == first
    assert await one.record(Batch("models", 0, 3, 3, [loaded(made.digest, 3)])) == []
    (again,) = await publisher(folder).record(Batch("models", 0, 3, 3, [loaded(made.digest, 3)]))
    assert isinstance(again, ModelPublished)
    assert (again.model_version, again.run_id) == ("1", event.run_id)


async def test_a_bundle_that_cannot_be_published_is_told_and_holds_up_nothing(folder: Path, made: Bundle) -> None:
    path = BundleCache(folder).put(made) / "manifest.json"
    path.write_bytes(b"{}")
    refused = await publisher(folder).record(Batch("models", 0, 1, 2, [loaded(made.digest), loaded("0" * 64)]))
    reasons = [event.reason for event in refused if isinstance(event, ModelRefused)]
    assert len(reasons) == 2
    assert "manifest.json is 2 bytes" in reasons[0]
    assert "is not in" in reasons[1]


async def test_lineage_names_the_versions_of_the_models(folder: Path, made: Bundle) -> None:
    BundleCache(folder).put(made)
    await publisher(folder).record(Batch("models", 0, 1, 1, [loaded(made.digest)]))
    await recorder(folder).record(batch(1, 3, bundle=made.digest))
    assert runs(folder)[0].data.tags["tocsin.model"] == "tocsin-detector-ewma/1"


async def test_lookup_tells_everything_and_confirms_it_in_the_artifact(folder: Path, made: Bundle) -> None:
    cache = BundleCache(folder)
    cache.put(made)
    published = await publisher(folder).record(Batch("models", 0, 1, 1, [loaded(made.digest)]))
    receipts = await recorder(folder).record(batch(1, 30, bundle=made.digest))
    found = lineage(
        finding(7, made.digest),
        cache=cache,
        run_id=next(event.run_id for event in receipts if isinstance(event, LineageRecorded)),
        versions=[
            Version(event.bundle, event.name, event.model_version, event.run_id)
            for event in published
            if isinstance(event, ModelPublished)
        ],
    )
    assert found["bundle"]["digest"] == made.digest
    assert found["bundle"]["detector"]["parameters"] == made.manifest.detector.parameters
    assert found["feature_set"]["features"]["names"] == ["value"]
    assert (found["model"]["name"], found["model"]["version"]) == ("tocsin-detector-ewma", "1")
    assert found["training"]["kind"] == "none"
    assert found["environment"]["packages"] == made.manifest.environment.packages
    assert found["mlflow_run_id"] == runs(folder)[0].info.run_id
    assert found["missing"] == {}
    json.dumps(found)
    ledger = Ledger(Desk(None, folder).tracking(), "tocsin", folder)
    assert confirmed(finding(7, made.digest), found["mlflow_run_id"], ledger)
    assert not confirmed(finding(31, made.digest), found["mlflow_run_id"], ledger)
    with pytest.raises(NotFound):
        confirmed(finding(7), "0" * 32, ledger)


def test_lookup_without_mlflow_or_bundle_says_what_is_missing_and_why(tmp_path: Path) -> None:
    found = lineage(finding(7), cache=BundleCache(tmp_path))
    assert found["bundle"] == {"digest": "b" * 64, "detector": {"kind": "ewma"}}
    assert found["feature_set"] == {"hash": "f" * 32}
    assert found["environment"] == {"hash": "e" * 32}
    assert found["model"] == {"name": None, "version": None}
    assert found["mlflow_run_id"] is None
    assert set(found["missing"]) == {"bundle", "feature_set", "training", "environment", "model", "mlflow_run_id"}
    assert "is not in" in found["missing"]["bundle"]


def test_a_server_that_hangs_or_is_gone_delays_and_loses_nothing(tmp_path: Path, template: Path) -> None:
    with served(tmp_path / "server", template) as server:
        one = recorder(tmp_path, mlflow=MlflowSettings(uri=server.url, timeout_s=1, retries=1))
        assert len(anyio.run(one.record, batch(1, 10))) == 1
        server.signal(signal.SIGSTOP)
        begin = time.monotonic()
        with pytest.raises(Unavailable, match=server.url):
            anyio.run(one.record, batch(11, 20))
        assert time.monotonic() - begin < 30
        server.signal(signal.SIGCONT)
        assert len(anyio.run(one.record, batch(11, 20))) == 1
        assert sorted(recorded_on(server.url)) == sorted(ids(1, 20))
        server.stop()
        begin = time.monotonic()
        with pytest.raises(Unavailable, match=server.url):
            anyio.run(one.record, batch(21, 30))
        assert time.monotonic() - begin < 30


def recorded_on(url: str) -> list[str]:
    """Ids of all findings that a plain client downloads from a server."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=url)
    found = []
    for run in client.search_runs([item.experiment_id for item in client.search_experiments()]):
        path = Path(client.download_artifacts(run.info.run_id, ARTIFACT))
        found += [json.loads(text)["id"] for text in gzip.decompress(path.read_bytes()).splitlines()]
    return found


def test_recorder_publisher_and_index_ask_nothing_of_mlflow_before_there_is_something_to_record(
    tmp_path: Path,
) -> None:
    made = Coordinator(mlflow=MlflowSettings(uri="http://127.0.0.1:9"), store="log-7", late_after_s=7)
    parts = {name: made.parts("coordinator")[name] for name in ("lineage", "publisher", "index")}
    assert {name: [kind.__name__ for kind in part.reads()] for name, part in parts.items()} == {
        "lineage": ["AnomalyDetected", "AnomalyCleared", "DriftDetected"],
        "publisher": ["ModelLoaded"],
        "index": [],
    }
    assert {name: [kind.__name__ for kind in part.writes()] for name, part in parts.items()} == {
        "lineage": ["LineageRecorded"],
        "publisher": ["ModelPublished", "ModelRefused"],
        "index": [],
    }
    for part in parts.values():
        part.prepare(Context("coordinator", tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert parts["lineage"].model_dump()["store"] == "log-7"
    assert parts["lineage"].model_dump()["late_after_s"] == 7


def test_mlflow_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, agents.coordinator, models.registry; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, env={"PYTHONPATH": "."}).returncode == 0


def test_without_a_name_the_log_gets_one_that_stays(tmp_path: Path) -> None:
    name = Desk(None, tmp_path).log_name()
    assert len(name) == 16
    assert Desk(None, tmp_path).log_name() == name
    (tmp_path / "store-id").write_text("0123456789abcdef\n")
    assert Desk(None, tmp_path).log_name() == "0123456789abcdef"


def test_segments_are_packed_without_a_time_and_unpack_only_whole() -> None:
    (segment,) = cut(Lane("s", "anomalies", 0), 1, 3, [finding(n) for n in (1, 2, 3)])
    data = packed(segment.body)
    time.sleep(1.1)
    assert packed(segment.body) == data
    assert unpacked(data) == segment.body == b"".join(line(finding(n)) + b"\n" for n in (1, 2, 3))
    for damaged in (data[:-1], data + b"x", b"no gzip"):
        with pytest.raises(ValueError, match=r"cut off|header"):
            unpacked(damaged)
    bomb = gzip.compress(bytes(257 << 20), 1)
    with pytest.raises(ValueError, match="too large"):
        unpacked(bomb)
