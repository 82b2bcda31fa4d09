"""The clock of this machine."""

import ctypes
import sys
from datetime import UTC, datetime

from .finding import Finding, fail, ok
from .scene import Scene

CHECK = "clock"
#: Place of the status in adjtimex's structure, in longs, and its bit for a clock that nobody keeps: <sys/timex.h>.
_STATUS, _UNSYNC = 5, 0x40
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
    told = {True: ", kept by a time server", False: ", kept by no time server", None: ""}[kept()]
    return ok(CHECK, f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%dT%H:%M:%SZ}{told}")


def kept() -> bool | None:
    """Whether the kernel says that a time server keeps this clock; None where it says nothing.

    That alone is no finding: in a virtual machine the host may keep it.
    """
    if sys.platform != "linux":
        return None
    said = (ctypes.c_long * 64)()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(said))
    return None if state < 0 else not said[_STATUS] & _UNSYNC
