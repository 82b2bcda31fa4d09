"""The operations about what the doctor finds."""

from ..messages.health import HealthNow
from ..messages.message import Noted
from .operation import Operation

HEALTH = (
    Operation(
        "get", "/api/v1/health", "health", "What the doctor found last; looks again where that is a minute old",
        HealthNow, role="viewer",
    ),
    Operation(
        "post", "/api/v1/health", "examine", "Have the doctor look now", HealthNow, Noted, status="202",
        role="operator", reads=True,
    ),
)  # fmt: skip
