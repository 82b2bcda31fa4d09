"""Faults of MLflow, planted in real stores and servers, and found by the doctor with cause and mend."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from console.checks.finding import Finding
from console.options import Choices
from contracts.events import ModelPublished
from models.bundle import builtin
from models.cache import BundleCache
from models.registry import Registry
from models.tracking import Store, Tracking, connect
from tests.clusters import free_ports
from tests.integration.faults import assert_told
from tests.integration.mlflow_stores import MlflowServer, local_store
from tests.integration.test_doctor import HEALTHY, Home, answering, look, wrong
from tests.integration.test_doctor import home as home  # the fixture

EMPTY = '{"experiments": []}'
#: A server of one worker answers some questions in seconds on a machine that is busy.
PATIENT = replace(HEALTHY, timeout_s=40.0)


def with_mlflow(home: Home, uri: str) -> dict[str, Finding]:
    return look(Choices(home.config, home.data_dir, mlflow=uri), PATIENT)


def test_a_server_that_is_not_there_is_found(home: Home) -> None:
    (port,) = free_ports(1)
    findings = with_mlflow(home, f"http://u:canary@127.0.0.1:{port}")
    assert_told(findings, "MLflow that is not there")
    assert "canary" not in str(findings)


@pytest.mark.parametrize(
    ("name", "code", "body"),
    [("MLflow whose database is gone", 500, "database"), ("MLflow that wants a password", 401, "who are you?")],
)
def test_a_server_that_does_not_tell_is_found(home: Home, name: str, code: int, body: str) -> None:
    with answering(code, body) as (url, _):
        assert_told(with_mlflow(home, url), name)


def test_a_server_with_known_holes_is_found(home: Home) -> None:
    """What it says of its version is all that can be seen from here."""
    with answering(200, EMPTY, "3.9.0") as (url, _):
        assert_told(with_mlflow(home, url), "a known hole in MLflow")


def test_a_damaged_store_is_found(home: Home) -> None:
    (home.data_dir / "mlflow").mkdir()
    (home.data_dir / "mlflow" / "mlflow.db").write_bytes(b"not a database" * 100)
    assert_told(look(home.choices), "a damaged store of MLflow")


def test_artifacts_that_a_server_cannot_keep_are_found(home: Home, mlflow_server: MlflowServer) -> None:
    """A file stands where the server has its folder."""
    kept, aside = mlflow_server.folder / "served", mlflow_server.folder / "aside"
    healthy = with_mlflow(home, mlflow_server.url)
    assert wrong(healthy) == {}
    assert (healthy["mlflow.artifacts"].status, healthy["mlflow.version"].status) == ("ok", "ok")
    assert not list(kept.rglob("*doctor*/*")), "what was tried was taken away again"
    if kept.exists():
        kept.rename(aside)
    kept.write_text("")
    try:
        findings = with_mlflow(home, mlflow_server.url)
    finally:
        kept.unlink()
        if aside.exists():
            aside.rename(kept)
    assert_told(findings, "artifacts that a server cannot write")


def test_artifacts_that_cannot_be_kept_beside_the_store_are_found(home: Home, template: Path) -> None:
    local_store(home.data_dir, template)
    (home.data_dir / "mlflow" / "artifacts").write_text("")
    assert_told(look(home.choices), "artifacts that cannot be written")


# ---------------------------------------------------------------- the registry


def published(home: Home, tracking_: Tracking, name: str) -> str:
    """A bundle gets a version, and the log is told; returns where its files are."""
    bundle, cache = builtin("ewma"), BundleCache(home.data_dir)
    cache.put(bundle)
    version = Registry(tracking_, cache, "tocsin").publish(bundle.digest, name)
    home.append(
        ModelPublished.of(
            cause="c", time=1, asset="coordinator", name=name, model_version=version.number,
            bundle=bundle.digest, run_id=version.run_id,
        )
    )  # fmt: skip
    return str(tracking_.client.get_model_version_download_uri(name, version.number))


def test_a_registry_without_its_models_is_found(home: Home, template: Path) -> None:
    where = published(home, connect(local_store(home.data_dir, template)), "tocsin-detector-ewma")
    healthy = look(home.choices, PATIENT)
    assert wrong(healthy) == {}
    assert healthy["mlflow.registry"].found == "1 models; tocsin-detector-ewma version 1, published last, is there"
    shutil.rmtree(urlsplit(where).path)
    assert_told(look(home.choices, PATIENT), "a model without files")
    with closing(sqlite3.connect(home.data_dir / "mlflow" / "mlflow.db")) as database, database:
        for table in ("model_version_tags", "registered_model_aliases", "model_versions", "registered_models"):
            database.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
    assert_told(look(home.choices, PATIENT), "a registry that was emptied")


def test_a_registry_behind_a_server_is_asked(home: Home, mlflow_server: MlflowServer) -> None:
    published(home, connect(Store.at(mlflow_server.url)), "looked-at-by-the-doctor")
    findings = with_mlflow(home, mlflow_server.url)
    assert wrong(findings) == {}
    assert "looked-at-by-the-doctor version 1, published last, is there" in findings["mlflow.registry"].found
