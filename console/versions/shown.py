"""How versions of models look, for people and for programs."""

from typing import TYPE_CHECKING, Any

from contracts.instants import iso
from models.garbage import Plan
from models.manifest import Manifest, TrainedOn
from models.promotion import Listed
from models.versions import Move

if TYPE_CHECKING:
    from rich.table import Table

_MS = 1_000_000
_SHORT = 12


def row_of(listed: Listed) -> dict[str, Any]:
    """A version as one record."""
    version = listed.version
    return {
        "name": version.name,
        "version": version.number,
        "aliases": list(listed.aliases),
        "verified": version.verified,
        "bundle": version.bundle,
        "bytes": listed.size,
        "created": iso(version.created_ms * _MS),
        "run_id": version.run_id,
        "detector": listed.manifest.detector.kind if listed.manifest else None,
        "training": training_of(listed.manifest) if listed.manifest else None,
    }


def training_of(manifest: Manifest) -> dict[str, Any]:
    """What a bundle was made from."""
    training = manifest.training
    if isinstance(training, TrainedOn):
        return {"since": iso(training.since), "until": iso(training.until), "readings": training.readings}
    return {"since": None, "until": None, "readings": 0}


def table_of(found: list[Listed]) -> "Table":
    """Versions as a table."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("model", "version", "alias", "verified", "detector", "size", "created", "trained on", "bundle"):
        table.add_column(column, justify="right" if column == "size" else "left", no_wrap=True)
    for listed in found:
        row = row_of(listed)
        training = row["training"] or {}
        table.add_row(
            row["name"],
            row["version"],
            ", ".join(row["aliases"]),
            "yes" if row["verified"] else "no",
            row["detector"] or "",
            size(row["bytes"]),
            row["created"][:16],
            f"{training['since'][:16]} .. {training['until'][:16]}" if training.get("since") else "",
            row["bundle"][:_SHORT],
        )
    return table


def move_of(move: Move) -> dict[str, Any]:
    """One change of an alias as a record."""
    return {
        "alias": move.alias,
        "version": move.version,
        "before": move.before,
        "how": move.how,
        "by": move.by,
        "why": move.why,
        "time": iso(move.at_ms * _MS),
    }


def plan_of(plan: Plan) -> dict[str, Any]:
    """What garbage collection would do as one document."""
    return {
        "bytes": plan.bytes,
        "remove": [
            {"where": item.where, "name": item.name, "bundle": item.bundle, "bytes": item.bytes} for item in plan.remove
        ],
        "kept": dict(sorted(plan.kept.items())),
    }


def size(count: int | None) -> str:
    """Bytes for people; empty where they are not known."""
    if count is None:
        return ""
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"
