"""``tocsin demo``: what a newcomer sees first."""

from .commands import folder, rows, tocsin


def test_the_demo_finds_something_and_ends_by_itself() -> None:
    with folder() as base:
        found = rows(tocsin("demo", "--json", "--data-dir", base / "d", timeout=110))
    assert {row["type"] for row in found} >= {"AnomalyDetected"}
    assert all(row["asset"].startswith("sim-") for row in found), "simulated machines are called so"
