"""A recorded stream of signals with a clock, people and findings, and all that alerts and routes made of it then.

    python -m tests.histories.alerts

writes it anew; that is right only where decisions are meant to be others from here on.
"""

import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

from agents.notification.alerts import Alerts
from contracts.events import EVENTS, Event
from tests.unit.notification.alerts.sequence import Scene
from tests.unit.notification.alerts.test_replay import KINDS, SETTINGS, Story

FILE = Path(__file__).parent / "alerts" / "duty.jsonl.gz"
_SEED, _STEPS = 7, 500
Row = dict[str, Any]


def load(path: Path = FILE) -> tuple[dict[str, Any], list[tuple[Row, list[Row]]]]:
    """The settings, and each event of the stream with what came out."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        settings, *lines = [json.loads(line) for line in file]
    return settings, [(line["in"], line["out"]) for line in lines]


def row(event: Event) -> Row:
    """An event as plain data."""
    return {"type": event.type_name(), **event.model_dump(mode="json")}


def event(data: Row) -> Any:
    """The event that ``row`` made plain."""
    return EVENTS[data["type"]].model_validate({name: value for name, value in data.items() if name != "type"})  # type: ignore[union-attr] # no readings


def main() -> None:
    """Let it happen, and write it down."""
    chance, scene = Random(_SEED), Scene(**SETTINGS)
    story, kinds = Story(scene), [*KINDS, "tick", "tick", "finding", "finding", "over"]
    lines: list[Any] = [SETTINGS]
    for _ in range(_STEPS):
        happened = story.event(chance.choice(kinds), chance.randint(0, 3), chance.randint(0, 2), chance.randint(1, 90))
        out = list(Alerts.handle(scene.part, happened, scene.state))
        lines.append({"in": row(happened), "out": [row(each) for each in out]})
    FILE.parent.mkdir(exist_ok=True)
    with FILE.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.writelines(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


if __name__ == "__main__":
    main()
