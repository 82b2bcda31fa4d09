"""What led to a finding, from the log and the bundles alone: it works while MLflow is down, and without its import."""

from collections.abc import Iterable
from typing import Any

from contracts.errors import BundleRefused, NotFound, Unavailable
from contracts.events import Finding
from models.cache import BundleCache
from models.files import MANIFEST
from models.manifest import Manifest, parse

from .index.store import Version
from .ledger import Ledger
from .segments import line


def lineage(
    finding: Finding, *, cache: BundleCache, run_id: str = "", versions: Iterable[Version] = ()
) -> dict[str, Any]:
    """``bundle``, ``feature_set``, ``model``, ``mlflow_run_id``, ``training`` and ``environment`` of a finding.

    ``run_id`` is the run that a receipt names for it, ``versions`` are those of all models. What is not known is
    None, and ``missing`` says why, part by part; nothing is raised for it.
    """
    missing: dict[str, str] = {}
    manifest = _manifest(finding, cache, missing)
    if not run_id:
        missing["mlflow_run_id"] = "not recorded yet: the coordinator has not come so far, or MLflow is down"
    return {
        "bundle": _bundle(finding, manifest),
        "feature_set": _feature_set(finding, manifest),
        "model": _model(finding, versions, missing),
        "mlflow_run_id": run_id or None,
        "training": manifest.training.model_dump(mode="json") if manifest else None,
        "environment": _environment(finding, manifest),
        "missing": missing,
    }


def confirmed(finding: Finding, run_id: str, ledger: Ledger) -> bool:
    """Whether the run's artifact, read back and verified, holds exactly this finding.

    Raises NotFound when there is no such run, Unavailable when MLflow is down or the artifact is damaged.
    """
    return line(finding) in ledger.read(ledger.record(run_id))


def _manifest(finding: Finding, cache: BundleCache, missing: dict[str, str]) -> Manifest | None:
    if not finding.bundle:
        missing["bundle"] = missing["training"] = f"no model was loaded: {finding.detector} is part of the agent"
        return None
    try:
        return parse(cache.files(finding.bundle)[MANIFEST])
    except (NotFound, BundleRefused, Unavailable) as error:
        for part in ("bundle", "feature_set", "training", "environment"):
            missing[part] = f"only what the finding itself says: {error}"
    return None


def _bundle(finding: Finding, manifest: Manifest | None) -> dict[str, Any]:
    found: dict[str, Any] = {"digest": finding.bundle, "detector": {"kind": finding.detector}}
    if manifest:
        names = ("name", "schema_version", "detector", "postprocessor", "drift_reference", "device")
        data = manifest.model_dump(mode="json")
        found |= {name: data[name] for name in names}
    return found


def _feature_set(finding: Finding, manifest: Manifest | None) -> dict[str, Any]:
    found: dict[str, Any] = {"hash": finding.feature_set}
    if manifest:
        found |= {"definition": dict(manifest.feature_set), "features": manifest.features.model_dump(mode="json")}
    return found


def _environment(finding: Finding, manifest: Manifest | None) -> dict[str, Any]:
    found: dict[str, Any] = {"hash": finding.environment}
    if manifest:
        found |= manifest.environment.model_dump(mode="json")
    return found


def _model(finding: Finding, versions: Iterable[Version], missing: dict[str, str]) -> dict[str, str | None]:
    found = next((version for version in versions if version.bundle == finding.bundle), None)
    if found is None:
        if finding.bundle:
            missing["model"] = "not published yet: the coordinator has not come so far, or MLflow is down"
        return {"name": None, "version": None}
    return {"name": found.name, "version": found.number, "run_id": found.run_id}
