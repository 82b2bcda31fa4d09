"""The differences that a replay printed, a page at a time."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.errors import NotFound
from contracts.identity import series_name

from ..render import line as told
from .verdict import FATES

#: Looked through for one page; the next one goes on from there.
_SOUGHT = 20_000
_LONGEST = 4 << 20
#: No file is as long.
FARTHEST = 10**15 - 1
_HIDDEN = frozenset({"type", "id", "cause", "asset", "channel", "time", "partition", "stream", "difference", "was"})


def page(
    path: Path, after: int, most: int, fate: str = "", kind: str = "", series: str = ""
) -> tuple[list[dict[str, Any]], str]:
    """Differences behind a place in the file, and where the next page begins; empty: nothing is left.

    Raises NotFound when no line begins at ``after``, or where there is no file.
    """
    found: list[dict[str, Any]] = []
    try:
        with path.open("rb") as file:
            if after:
                file.seek(after - 1)
                if file.read(1) != b"\n":
                    raise NotFound("no page begins there", mend="Begin without `after`")
            for _ in range(_SOUGHT):
                line = file.readline(_LONGEST)
                if not line.endswith(b"\n"):
                    return found, ""
                row = _row(json.loads(line))
                if _fits(row, fate, kind, series):
                    found.append(row)
                if len(found) >= most:
                    break
            at = file.tell()
            return found, str(at) if file.read(1) else ""
    except FileNotFoundError as error:
        raise NotFound("the differences of this replay are not kept any more") from error


def _fits(row: Mapping[str, Any], fate: str, kind: str, series: str) -> bool:
    of = (row["asset"], f"{row['asset']}/{row['channel']}")
    return fate in ("", row["difference"]) and kind in ("", row["type"]) and (not series or series in of)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """``before`` and ``after`` hold what changed; of what vanishes or appears the other side is empty.

    ``time`` is when it was told, of what appears when it would be; ``recorded`` is the id under which the log has it.
    """
    fate, was = FATES[row["difference"]], row.get("was", {})
    own = {name: value for name, value in row.items() if name not in _HIDDEN}
    changed = [name for name in was if name not in _HIDDEN]
    before = own if fate == "vanishes" else {name: was[name] for name in changed}
    after = own if fate == "appears" else {name: _at(row, name) for name in changed}
    return {
        "difference": fate,
        "type": row["type"],
        "asset": row["asset"],
        "channel": row["channel"],
        "time": was.get("time", row["time"]),
        "time_now": "" if fate == "vanishes" else row["time"],
        "recorded": "" if fate == "appears" else was.get("id", row["id"]),
        "severity": str(row.get("severity") or ""),
        "summary": _summary(row),
        "before": before,
        "after": after,
    }


def _summary(row: dict[str, Any]) -> str:
    # What a terminal shows, without its columns of time, type and place.
    where = series_name(row["asset"], row["channel"])
    head = f"{row['time']:<30} {row['type']:<20} {where:<44} "
    text = told(row).removesuffix(f"  {row['id'][:12]}")
    return text[len(head) :] if text.startswith(head) else text


def _at(row: Mapping[str, Any], path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
