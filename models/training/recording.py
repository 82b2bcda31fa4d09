"""Trainings in MLflow: one run for each, with a run below it for every detector that was compared.

Runs are found again by the key of the training. So one that was interrupted is finished by whoever tries again, and
never stands there twice.
"""

import json
from collections.abc import Mapping

from ..manifest import TrainedOn
from ..tracking import Tracking
from ..versions import KIND
from .choosing import RULE
from .result import Candidate, Result

#: Tags of MLflow.
TRAINING, CANDIDATE, TRAINED_BY = "tocsin.training", "tocsin.candidate", "tocsin.trained_by"
_PARENT = "mlflow.parentRunId"
ARTIFACT = "comparison.json"


def record(tracking: Tracking, experiment: str, result: Result) -> str:
    """Write the training down, and return the id of its run; nothing changes when it is there already.

    Raises Unavailable; then nothing is lost, and it can be called again.
    """
    with tracking.lock:
        within = tracking.experiment(experiment)
        tags = {TRAINING: result.key, KIND: "training", CANDIDATE: result.best.bundle}
        run_id, ended = _run(tracking, within, f"train {result.plan}", tags)
        if ended:
            return run_id
        own = {f"{each.label}.{name}": value for each in result.candidates for name, value in each.measures.items()}
        told = {"plan": result.plan, "request": result.request, "chosen": result.chosen, "why": result.why}
        seconds = {"seconds": result.seconds}
        at_ms = result.trained_on.until // 1_000_000
        _log(
            tracking, run_id, {**result.params, **told, "rule": RULE}, {**own, **result.best.measures, **seconds}, at_ms
        )
        _dataset(tracking, run_id, result.plan, result.trained_on)
        for each in result.candidates:
            _candidate(tracking, within, run_id, result, each)
        table = {each.label: {"bundle": each.bundle, **each.measures} for each in result.candidates}
        text = json.dumps({"rule": RULE, "chosen": result.chosen, "why": result.why, "candidates": table}, indent=2)
        tracking.ask("log comparison", tracking.client.log_text, run_id, text, ARTIFACT)
        tracking.ask("end run", tracking.client.set_terminated, run_id, "FINISHED")
        return run_id


def point_back(tracking: Tracking, bundle_run: str, training_run: str) -> None:
    """Let the run of a published bundle name the training that it came from."""
    tracking.ask("tag run", tracking.client.set_tag, bundle_run, TRAINED_BY, training_run)


def _candidate(tracking: Tracking, experiment: str, parent: str, result: Result, each: Candidate) -> None:
    tags = {TRAINING: f"{result.key}/{each.label}", KIND: "candidate", CANDIDATE: each.bundle, _PARENT: parent}
    run_id, ended = _run(tracking, experiment, f"{result.plan} {each.label}", tags)
    if ended:
        return
    parameters = {f"parameter.{name}": json.dumps(value) for name, value in each.parameters.items()}
    params = {"detector": each.kind, "bundle": each.bundle, **parameters, **result.params}
    _log(tracking, run_id, params, each.measures, result.trained_on.until // 1_000_000)
    _dataset(tracking, run_id, result.plan, result.trained_on)
    tracking.ask("end run", tracking.client.set_terminated, run_id, "FINISHED")


def _run(tracking: Tracking, experiment: str, name: str, tags: Mapping[str, str]) -> tuple[str, bool]:
    """The run of these tags, and whether it has ended: the oldest where there are two, new where there is none."""
    where = f"tags.`{TRAINING}` = '{tags[TRAINING]}' and tags.`{KIND}` = '{tags[KIND]}'"
    rows = [(row.info.start_time, str(row.info.run_id), row.info.status) for row in tracking.runs(experiment, where)]
    if not rows:
        return tracking.begin_run(experiment, name, tags), False
    _, run_id, status = min(rows)
    return run_id, status == "FINISHED"


def _log(tracking: Tracking, run_id: str, params: Mapping[str, str], metrics: Mapping[str, float], at_ms: int) -> None:
    # An empty value is none to MLflow.
    tracking.log(run_id, {name: value for name, value in params.items() if value}, metrics, at_ms)


def _dataset(tracking: Tracking, run_id: str, plan: str, trained_on: TrainedOn) -> None:
    tree = trained_on.model_dump(mode="json")
    source = json.dumps({"stream": tree["stream"], "partitions": tree["partitions"]})
    profile = json.dumps({name: tree[name] for name in ("readings", "since", "until", "digest")})
    tracking.log_dataset(run_id, f"training range of {plan}"[:500], trained_on.digest, source, profile)
