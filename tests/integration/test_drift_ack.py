"""``tocsin drift ack``: what it writes stands where the drift agent meets it, on a log of its own."""

import getpass
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.drift import Drift
from agents.parts import Context
from agents.runtime.lanes.lane import Lane
from bus.embedded import EmbeddedServer
from bus.protocol import Bus, Place
from console.cli import main
from contracts.events import DriftAcknowledged, DriftDetected, DriftReferenced, ReadingsAccepted
from contracts.frames import encode
from contracts.identity import partition_of
from contracts.readings import Readings
from tests.logs import on_bus
from tests.unit.drift.logs import rows
from tests.unit.runtime.counting import home, of_type

CONFIG = """
bus: {partitions: 2}
agents:
  acquisition: {sources: {push: {kind: http}}}
  validation: {}
  drift: {reference_readings: 300}
"""
PLACE = Place(ReadingsAccepted.stream, partition_of("m1", 2))


class Site:
    """A data directory with a running server."""

    def __init__(self, base: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.data_dir, self.config, self.url, self.capsys = base / "d", base / "tocsin.yaml", url, capsys

    def on_bus(self, act: Callable[[Bus], Any]) -> Any:
        return on_bus(self.config, self.data_dir, self.url, act)

    def feed(self, readings: Readings) -> None:
        async def act(bus: Bus) -> None:
            await bus.append(PLACE, list(encode([ReadingsAccepted(readings)], "validation")))
            part = Drift(reference_readings=300)
            part.prepare(Context("drift", self.data_dir, partitions=2))
            lane = Lane(home(bus), part, "drift<readings.accepted", PLACE, 1)
            await lane.open()
            while found := (await bus.read({PLACE: lane.position}, count=50)).get(PLACE):
                await lane.step_or_bury(found)

        self.on_bus(act)

    def events(self, kind: Any) -> list[Any]:
        async def act(bus: Bus) -> list[Any]:
            return await of_type(bus, kind)

        found: list[Any] = self.on_bus(act)
        return found

    def ack(self, *arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main(["drift", "ack", *arguments, "--config", str(self.config), "--data-dir", str(self.data_dir)])
        return int(end.value.code or 0), self.capsys.readouterr().err


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    (tmp_path / "d").mkdir(mode=0o700)
    (tmp_path / "tocsin.yaml").write_text(CONFIG)
    with EmbeddedServer(tmp_path / "d" / "redis", maxmemory_mb=64) as server:
        yield Site(tmp_path, server.url, capsys)


def noise(n: int, seed: int, shift: float = 0.0) -> Readings:
    values = 20 + shift + np.random.default_rng(seed).standard_normal(n)
    return rows({"m1/a": values}, 10_000 * seed)


def test_an_acknowledged_drift_gets_a_new_reference_at_its_place(site: Site) -> None:
    site.feed(noise(400, 1))
    site.feed(noise(200, 2, 3.0))
    (drift,) = site.events(DriftDetected)
    code, said = site.ack("m1/a", "--re-reference", "--why", "new impeller")
    assert (code, said) == (0, f"re-reference: m1/a, about {drift.id}\n")
    (event,) = site.events(DriftAcknowledged)
    assert (event.finding, event.why, event.by) == (drift.id, "new impeller", getpass.getuser())
    site.feed(noise(500, 3, 3.0))
    (referenced,) = site.events(DriftReferenced)
    assert (referenced.first, referenced.last) == (602, 901), "400 and 200 readings, and the acknowledgement"
    assert (referenced.cause, referenced.by, referenced.previous) == (event.id, event.by, drift.reference)
    assert len(site.events(DriftDetected)) == 1, "what was acknowledged is no drift any more"


def test_what_cannot_be_meant_is_refused(site: Site) -> None:
    assert site.ack("m1/a")[0] == 2
    assert site.ack("m1/a/b", "--rearm")[0] == 2
    code, said = site.ack("m1/a", "--rearm", "--agent", "drifter")
    assert (code, "Known: drift" in said) == (78, True)
    assert site.events(DriftAcknowledged) == []
    assert "no drift of it" in site.ack("m1", "--rearm")[1]
