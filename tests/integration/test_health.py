"""Trainings as a real MLflow holds them, read without importing it."""

from pathlib import Path

import pytest

from agents.health.runs import Run, trainings
from contracts.errors import Unavailable
from models.manifest import TrainedOn
from models.tracking import Store, Tracking, connect
from models.training.recording import record
from models.training.result import Candidate, Result

from .mlflow_stores import MlflowServer, local_store

RANGE = TrainedOn(stream="readings.accepted", partitions={"0": (1, 9)}, since=1, until=10**18, readings=9, digest="d")


def recorded(tracking: Tracking) -> None:
    """Two trainings of one plan, with a metric each."""
    for key, r2 in (("first", 0.9), ("second", 0.7)):
        best = Candidate(label="ewma", kind="ewma", parameters={}, bundle="b" * 64, measures={"r2": r2})
        result = Result(
            key=key, plan="pumps", model="m", alias="candidate", publish=False, params={"since": "1"},
            trained_on=RANGE, candidates=(best,), chosen="ewma", why="it is", seconds=12.5,
        )  # fmt: skip
        record(tracking, "tocsin", result)


def told(runs: list[Run]) -> list[tuple[str, str, float | None, float]]:
    return [(run.plan, run.status, run.seconds, run.metrics["r2"]) for run in runs]


EXPECTED = [("pumps", "FINISHED", 12.5, 0.7), ("pumps", "FINISHED", 12.5, 0.9)]


def test_a_local_store_is_read_as_the_trainer_wrote_it(tmp_path: Path, template: Path) -> None:
    """Plan, duration and metrics, newest first; what was compared below a training is none itself."""
    recorded(connect(local_store(tmp_path, template)))
    assert told(trainings("", tmp_path / "mlflow" / "mlflow.db", 5)) == EXPECTED


def test_a_server_tells_the_same_and_one_that_is_gone_is_unavailable(
    tmp_path: Path, mlflow_server: MlflowServer
) -> None:
    """A store that is not there yet has no training; that is no fault."""
    assert trainings("", tmp_path / "none.db", 5) == []
    recorded(connect(Store.at(mlflow_server.url)))
    assert told(trainings(mlflow_server.url, tmp_path / "none.db", 10)) == EXPECTED
    with pytest.raises(Unavailable, match="does not answer"):
        trainings("http://127.0.0.1:9", tmp_path / "none.db", 2)
