"""The operations about the session of a browser."""

from ..messages.session import Signed, SigningIn
from .operation import Operation

_SESSION = "/api/v1/session"

SESSION = (
    Operation("get", _SESSION, "session", "Who is asking", Signed, role="anyone"),
    Operation(
        "post", _SESSION, "sign-in", "Begin a session of a browser, in a cookie", Signed, SigningIn,
        codes=("409", "429"), role="anyone",
    ),
    Operation("delete", _SESSION, "sign-out", "End the session", Signed, role="viewer"),
)  # fmt: skip
