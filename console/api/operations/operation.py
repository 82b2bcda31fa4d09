"""One operation of the interface, as it is described."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel

from ...access.caller import Role

Answer = type[BaseModel] | str | None


@dataclass(frozen=True)
class Parameter:
    """Of the query, or of the header."""

    name: str
    description: str
    place: str = "query"
    many: bool = False


@dataclass(frozen=True)
class Operation:
    """One method of one path, and the least role that may ask for it.

    ``answer`` is a message, or the media type of something else. ``reads``: it changes nothing, whatever its method.
    The method ``websocket`` is described elsewhere.
    """

    method: str
    path: str
    name: str
    summary: str
    answer: Answer = None
    role: Role | Literal["anyone"] = field(kw_only=True)
    body: type[BaseModel] | None = None
    parameters: tuple[Parameter, ...] = ()
    codes: tuple[str, ...] = field(default=())
    status: str = "200"
    reads: bool = False

    @property
    def sends(self) -> bool:
        """Whether a browser would ask for it by itself only where a page tells it to."""
        return self.method not in ("get", "websocket")

    @property
    def changes(self) -> bool:
        """Whether it is recorded who asked for it."""
        return self.sends and not self.reads

    @property
    def lasting(self) -> bool:
        """Whether its answer does not end."""
        return self.method == "websocket" or self.answer == "text/event-stream"


#: Who acts, where a request has no body.
BY = Parameter("by", "who does it; kept with it")
MATCH = Parameter("match", 'as asset="pump-1" or channel=~"temp.*"; all must match', many=True)
SEVERITY = Parameter("severity", "info, warning or critical: this or worse")
