"""Bundles of small detectors, and a log in which they are swapped."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from agents.anomaly import Anomaly
from agents.anomaly.state import AnomalyState
from agents.parts import Context
from agents.state import dump
from contracts.events import AnyEvent, Candidate, Event, ModelServed, ReadingsAccepted
from contracts.instants import SECOND
from contracts.readings import Readings, Series
from models.bundle import Bundle, builtin
from models.cache import BundleCache

Step = Readings | ModelServed


def made(folder: Path, kind: str, **parameters: Any) -> Bundle:
    """A bundle in the cache of a data directory."""
    bundle = builtin(kind, parameters)
    BundleCache(folder).put(bundle)
    return bundle


def anomaly(folder: Path, **settings: Any) -> Anomaly:
    part = Anomaly.model_validate(settings)
    part.prepare(Context("anomaly", folder))
    return part


def readings(count: int, series: int = 6, seed: int = 1, begin: int = 0) -> Readings:
    """Series of some machines in turn, with a spike now and then."""
    chance = np.random.default_rng((seed, begin))
    values = chance.normal(10, 1, count)
    values[chance.random(count) < 0.01] += 30
    number = begin + np.arange(count)
    names = [Series("plant", f"m{each // 2}", f"c{each % 2}") for each in range(series)]
    return Readings.of(names, number % series, number * SECOND, values, number)


def served(bundle: str, candidate: Candidate | None = None, number: int = 0, agent: str = "anomaly") -> ModelServed:
    return ModelServed.of(cause=f"{number}", time=1, asset=agent, agent=agent, bundle=bundle, candidate=candidate)


def log_of(steps: Sequence[Step]) -> Iterator[ReadingsAccepted | ModelServed]:
    """The steps with their ordinals."""
    first = 1
    for step in steps:
        if isinstance(step, Readings):
            yield ReadingsAccepted(replace(step, first=first))
            first += len(step)
        else:
            yield step
            first += 1


def told(part: Anomaly, steps: Sequence[Step], cut: int = 10**6, *, saved: bool = False) -> list[AnyEvent]:
    """What a part says to a log; ``saved``: its state goes through bytes after each event."""
    return said(part, steps, cut, saved=saved)[0]


def said(
    part: Anomaly, steps: Sequence[Step], cut: int = 10**6, *, saved: bool = False
) -> tuple[list[AnyEvent], AnomalyState]:
    """As ``told``, with the state in the end."""
    state, out = part.start(), list[AnyEvent]()
    for event in log_of(steps):
        pieces = [event] if isinstance(event, ModelServed) else [ReadingsAccepted(p) for p in event.readings.cut(cut)]
        for piece in pieces:
            out += list(part.handle(piece, state))
            if saved:
                state = part.load(dump(state))
    return out, state


def texts(events: Sequence[AnyEvent]) -> list[str]:
    """Events as texts, readings one by one: equal however they were cut."""
    found = []
    for event in events:
        if isinstance(event, Event):
            found.append(f"{event.type_name()} {event.model_dump_json()}")
        else:
            rows = zip(event.readings.ids(), event.readings.value.tolist(), strict=True)
            found += [f"{event.type_name()} {name} {value!r}" for name, value in rows]
    # Streams have an order each, and none between them.
    return sorted(found, key=lambda text: text.partition(" ")[0].replace("Cleared", "Detected"))
