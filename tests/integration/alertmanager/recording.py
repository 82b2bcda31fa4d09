"""Keeps what a real Alertmanager decided, for tests that have none.

``python -m tests.integration.alertmanager.recording`` makes the file anew, in seven minutes.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.integration.alertmanager.decisions import Action, Notice, Run
from tests.integration.alertmanager.playing import Played, play
from tests.integration.alertmanager.scenarios import Scenario

FILE = Path(__file__).parents[2] / "unit/notification/routing/alertmanager-0.25.json.gz"
_BATCHES = 5
_EACH = 50
_LENGTH = 42.0


def load(path: Path = FILE) -> list[Played]:
    """What was recorded."""
    return [_played(plain) for plain in json.loads(gzip.decompress(path.read_bytes()))]


def save(plays: list[Played], path: Path = FILE) -> None:
    """Keep it; the same plays give the same bytes."""
    text = json.dumps([_plain(played) for played in plays], separators=(",", ":"), sort_keys=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def _plain(played: Played) -> dict[str, Any]:
    def rounded(value: Any) -> Any:
        if isinstance(value, float):
            return round(value, 4)
        if isinstance(value, frozenset):
            return sorted(value)
        if isinstance(value, dict):
            return {key: rounded(item) for key, item in value.items() if item not in ("", ())}
        return [rounded(item) for item in value] if isinstance(value, list | tuple) else value

    plain: dict[str, Any] = rounded(asdict(played))
    return plain


def _played(plain: dict[str, Any]) -> Played:
    scenarios = [
        Scenario(**(one | {"actions": [_action(action) for action in one["actions"]]})) for one in plain["scenarios"]
    ]
    notices = [
        Notice(one["at"], one["receiver"], one["group"], frozenset(one["firing"]), frozenset(one["resolved"]))
        for one in plain["notices"]
    ]
    return Played(Run(**plain["run"]), scenarios, notices)


def _action(plain: dict[str, Any]) -> Action:
    return Action(**(plain | {"matchers": tuple(plain.get("matchers", ()))}))


def main() -> None:
    """Play 250 scenarios, 50 at a time, and keep those whose outcome does not hang on details."""
    plays = []
    for batch in range(_BATCHES):
        names = [f"s{batch * _EACH + at}" for at in range(_EACH)]
        with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
            played = play(Path(folder), batch, names, _LENGTH, boundary=True)
        undecided, different = played.undecided(), played.differences()
        sys.stdout.write(f"{len(played.notices)} notices, undecided {sorted(undecided)}, different {different}\n")
        plays.append(played.without(undecided))
    save(plays)


if __name__ == "__main__":
    main()
