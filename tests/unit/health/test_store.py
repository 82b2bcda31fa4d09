"""Growth of artifacts, and bundles that can be loaded."""

import os
from pathlib import Path

from agents.health.store import growth, loadable
from contracts.health import HealthSettings
from contracts.instants import DAY
from models.bundle import builtin
from models.cache import BundleCache

NOW = 20_000 * DAY


def test_only_what_was_added_in_a_month_counts(tmp_path: Path) -> None:
    """2 MB now and 5 MB two months ago."""
    for name, size, age in (("new", 2_000_000, 3), ("old", 5_000_000, 60)):
        (tmp_path / name).write_bytes(bytes(size))
        os.utime(tmp_path / name, ns=(NOW - age * DAY,) * 2)
    limits = HealthSettings(growth_gb=0.003)
    assert growth(tmp_path, limits, NOW).state == "ok"
    found = growth(tmp_path, HealthSettings(growth_gb=0.001), NOW)
    assert found.state == "warning"
    assert "0.01 GB in all" in found.found
    assert growth(tmp_path / "none", limits, NOW).state == "skipped"


def test_a_served_bundle_that_was_damaged_is_named(tmp_path: Path) -> None:
    """And one that is missing, too."""
    bundle = builtin("ewma")
    folder = BundleCache(tmp_path).put(bundle)
    assert loadable(tmp_path, [bundle.digest]).state == "ok"
    assert loadable(tmp_path, []).state == "skipped"
    (folder / "manifest.json").write_bytes(b"{}")
    assert loadable(tmp_path, [bundle.digest]).state == "failed"
    missing = loadable(tmp_path, ["0" * 64])
    assert "0" * 12 in missing.found
