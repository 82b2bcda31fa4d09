"""What was changed over HTTP, and by whom."""

from typing import ClassVar

from pydantic import Field

from .event import Event


class ActionAudited(Event):
    """Somebody asked for a change over HTTP, or tried to come in and could not; ``time`` is wall clock.

    It stands in the log before the answer is sent. No body and no secret is in it.
    """

    stream: ClassVar[str] = "audit"
    operational: ClassVar[bool] = True
    by: str = Field(description="name of the caller's token; local or configuration without; unknown: it had none")
    role: str = Field(description="of the caller; empty: it had none")
    operation: str = Field(description="as in the interface's description")
    target: str = Field(description="path of the request")
    status: int = Field(description="of the answer")
    address: str = Field(description="that the request came from: a proxy's, where there is one")
    request: str = Field(description="X-Request-ID of the answer")
    more: int = Field(default=0, ge=0, description="refused ones before this that were not told of one by one")
