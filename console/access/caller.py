"""Whoever sends a request, and what they may do."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["viewer", "operator", "admin"]
#: Each may do what those before it may.
ROLES: tuple[Role, ...] = get_args(Role)
#: No token has such a name.
RESERVED = frozenset({"local", "configuration", "api", "unknown"})


@dataclass(frozen=True)
class Caller:
    """``name`` is that of a token; ``local`` where none is wanted, ``configuration`` for ``api.token``."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this role is theirs, or a lesser one."""
        return ROLES.index(self.role) >= ROLES.index(role)

    @property
    def named(self) -> bool:
        """Whether the name says who it is: then nobody signs as somebody else."""
        return self.name not in RESERVED


#: Everybody on this machine, as long as there is no token.
LOCAL = Caller("local", "admin")
CONFIGURATION = Caller("configuration", "admin")
#: Of the request that is being answered.
CALLER: ContextVar[Caller] = ContextVar("caller", default=LOCAL)
