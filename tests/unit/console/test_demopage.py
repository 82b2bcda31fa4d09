"""The configuration of the demonstration page."""

import json
from pathlib import Path

from agents.topology import Topology
from console.demopage import configuration
from console.options import Choices


def test_it_is_one_that_runs(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.yaml"
    file.write_text(json.dumps(configuration(tmp_path, 8_091, seed=7)))
    loaded = Choices(config=file).load()
    assert {item.agent for item in Topology.of(loaded.settings, loaded.file).placed} == set(loaded.settings.agents)
    assert (loaded.settings.api.port, loaded.settings.api.host) == (8_091, "127.0.0.1")
    assert loaded.settings.alerting.on
