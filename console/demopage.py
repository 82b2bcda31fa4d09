"""``tocsin demo --page``: a simulated plant that goes on, and the web page to watch it."""

import json
import time
from pathlib import Path
from typing import Any

import anyio

from agents.topology import Topology

from .host import Host
from .logs import set_up
from .options import Choices, Loaded
from .output import say
from .up import supervise

#: Of the six hours before, half are healthy; then each machine has a fault in a quarter of an hour.
_INTERVAL_S, _PAST, _HEALTHY, _FAULT_EVERY = 1.0, 21_600, 10_800, 900
_MACHINES = ("pump", "pump", "compressor", "fan", "pump", "fan")


def show_page(loaded: Loaded, port: int, seed: int) -> int:
    """Run until somebody says stop. Raises ConfigError, and Unavailable where the port is taken."""
    folder = loaded.settings.data_dir / "demo" / time.strftime("page-%Y%m%d-%H%M%S")
    folder.mkdir(parents=True, mode=0o700)
    file = folder / "tocsin.yaml"
    file.write_text(json.dumps(configuration(folder, port, seed), indent=1))
    shown = Choices(config=file).load()
    set_up(shown.settings.log)
    topology = Topology.of(shown.settings, shown.file)
    with Host(shown.settings) as host:
        _another_model(folder)
        say("SIMULATED plant: machines, readings and faults are made up; the service is real.")
        say(f"Look at http://127.0.0.1:{port} in a browser. Ctrl-C ends it; everything is kept in {folder}")
        anyio.run(supervise, host, shown, topology, backend_options={"use_uvloop": True})
    return 0


def configuration(folder: Path, port: int, seed: int) -> dict[str, Any]:
    """What the demonstration runs, as a configuration file says it."""
    plant = {
        "kind": "plant", "seed": seed, "interval_s": _INTERVAL_S, "past": _PAST, "healthy": _HEALTHY,
        "fault_every": _FAULT_EVERY, "machines": list(_MACHINES),
    }  # fmt: skip
    agents: dict[str, Any] = {
        "acquisition": {"sources": {"sim-plant": plant}},
        "validation": {},
        "anomaly": {"clear_after": 50},
        "drift": {},
        "notification": {},
        "coordinator": {},
    }
    alerting = {
        "route": {"receiver": "duty", "group_by": ["asset"], "group_wait": "1s", "group_interval": "10s"},
        # Six hours come within seconds: what ends and begins in them is no flapping.
        "reopen_within": "20s",
        "flap_window": "1m",
        "subscribers": {"duty": {"kind": "file", "path": "told.jsonl"}},
    }
    return {
        "data_dir": str(folder), "agents": agents, "alerting": alerting, "api": {"port": port},
        "log": {"level": "warning"},
    }  # fmt: skip


def _another_model(folder: Path) -> None:
    """A model that nobody serves: something to run the past with once more."""
    from models.bundle import builtin
    from models.cache import BundleCache

    BundleCache(folder).put(builtin("ewma"))
