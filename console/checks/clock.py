"""The clock of this machine."""

from datetime import UTC, datetime

from .finding import Finding, fail, ok
from .scene import Scene

CHECK = "clock"
#: No clock that is right shows less: this code was not there before.
EARLIEST_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
LATEST_S = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


def clock(scene: Scene) -> Finding:
    """Whether the time can be true, and whether waiting works."""
    wall, begun = scene.clock.wall_ns() / 1e9, scene.clock.monotonic_s()
    if not EARLIEST_S <= wall <= LATEST_S:
        return fail(
            CHECK,
            f"wall clock at {wall:.0f} s since 1970",
            "The machine has no battery for its clock, or never reached a time server",
            "timedatectl set-ntp true, then wait until timedatectl says that it is synchronized",
        )
    if scene.clock.monotonic_s() < begun:
        return fail(CHECK, "monotonic clock runs backwards", "A fault of the machine or its hypervisor", "Reboot")
    return ok(CHECK, f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%dT%H:%M:%SZ}")
