"""The tokens of callers: a file that holds a hash of each, never the token.

It is read again when it changed, so that a token that is made or revoked counts at once in a service that runs.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.clock import Clock
from agents.privatefile import PrivateFile
from contracts.errors import ConfigError, NotFound, Unavailable

from .caller import RESERVED, Caller, Role

_MOST_BYTES = 1 << 20
_PREFIX = "tocsin_"
#: What a name is made of: it stands in events, in logs and on the page.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"
Nanoseconds = Annotated[int, Field(ge=0)]


class Token(BaseModel):
    """One token; times are wall clock, ns, and 0 where there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=NAME)]
    role: Role
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    last: Annotated[str, Field(max_length=4, description="characters of the token, to recognise it by")]
    made: Nanoseconds
    expires: Nanoseconds = 0
    revoked: Nanoseconds = 0

    @property
    def caller(self) -> Caller:
        """Who shows it."""
        return Caller(self.name, self.role)

    def state(self, now: int) -> Literal["active", "expired", "revoked"]:
        """Whether it counts at a time, wall clock, ns."""
        if self.revoked:
            return "revoked"
        return "expired" if self.expires and now >= self.expires else "active"


class _Kept(BaseModel):
    """What is in the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Literal[1] = 1
    tokens: Annotated[list[Token], Field(max_length=1_000)] = Field(default_factory=list)


@dataclass
class Tokens:
    """Those of one installation. A file that is damaged, or that others can read, is an error and opens nothing."""

    path: Path
    clock: Clock = field(default_factory=Clock)
    _seen: tuple[int, ...] | None = None
    _known: dict[str, Token] = field(default_factory=dict)

    @property
    def _file(self) -> PrivateFile:
        return PrivateFile(self.path, _MOST_BYTES)

    def known(self) -> Sequence[Token]:
        """All of them, those that do not count any more included. Raises Unavailable."""
        self._refresh()
        return list(self._known.values())

    def any(self) -> bool:
        """Whether there is or was one: then nobody comes in without. Raises Unavailable."""
        self._refresh()
        return bool(self._known)

    def find(self, text: str) -> Token | None:
        """The token of this text, while it counts. Raises Unavailable."""
        return self.counting(hash_of(text))

    def counting(self, hashed: str) -> Token | None:
        """The token with this hash, while it counts. Raises Unavailable."""
        self._refresh()
        found = self._known.get(hashed)
        return found if found is not None and found.state(self.clock.wall_ns()) == "active" else None

    def named(self, name: str) -> Token | None:
        """The token of this name, while it counts. Raises Unavailable."""
        hashed = next((token.hash for token in self.known() if token.name == name and not token.revoked), "")
        return self.counting(hashed)

    def create(self, name: str, role: Role, lifetime_ns: int = 0) -> tuple[Token, str]:
        """A new token, and its text, which is kept nowhere.

        Raises ConfigError for a name that is taken or cannot be one, and Unavailable.
        """
        now, text = self.clock.wall_ns(), _PREFIX + token_urlsafe(32)
        if name.lower() in RESERVED:
            raise ConfigError([f"{name!r} is what callers without a token are called: choose another name"])
        try:
            made = Token(
                name=name, role=role, hash=hash_of(text), last=text[-4:], made=now,
                expires=now + lifetime_ns if lifetime_ns else 0,
            )  # fmt: skip
        except ValidationError:
            problem = f"{name[:80]!r} cannot name a token: letters, digits and ._@- are allowed, 64 at most"
            raise ConfigError([problem]) from None
        with self._file.changing():
            others = [token for token in self._read() if token.name != name or token.state(now) == "active"]
            if any(token.name == name for token in others):
                raise ConfigError([f"there is a token {name!r}"], mend=f"Revoke it first: tocsin tokens revoke {name}")
            self._write([*others, made])
        return made, text

    def revoke(self, name: str) -> Token:
        """It counts no more; that it was there is kept. Raises NotFound and Unavailable."""
        with self._file.changing():
            tokens = self._read()
            found = next((token for token in tokens if token.name == name and not token.revoked), None)
            if found is None:
                raise NotFound(f"there is no token {name[:80]!r}", mend="`tocsin tokens ls` lists them")
            ended = found.model_copy(update={"revoked": self.clock.wall_ns()})
            self._write([ended if token is found else token for token in tokens])
        return ended

    def _refresh(self) -> None:
        try:
            at = self.path.stat()
        except FileNotFoundError:
            if self._known:
                # Whoever had a token shall not find the door open because a file is gone.
                raise Unavailable(f"{self.path} is gone", mend="Restore it, or restart without tokens") from None
            return
        except OSError as error:
            raise Unavailable(f"cannot read {self.path}: {error.strerror}") from None
        # The change time as well: chmod leaves the others as they are.
        seen = (at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns)
        if seen != self._seen:
            self._known = {token.hash: token for token in self._read()}
            self._seen = seen

    def _read(self) -> list[Token]:
        if (data := self._file.read()) is None:
            return []
        try:
            return _Kept.model_validate_json(data).tokens
        except ValidationError:
            raise self._file.damaged() from None

    def _write(self, tokens: Sequence[Token]) -> None:
        self._file.write(json.dumps(_Kept(tokens=list(tokens)).model_dump(), indent=1).encode())


def tokens_of(data_dir: Path, clock: Clock | None = None) -> Tokens:
    """Those of an installation."""
    return Tokens(data_dir / "tokens.json", clock or Clock())


def hash_of(text: str) -> str:
    """BLAKE2b of a token, 64 hex digits. It has 256 random bits: there is nothing that a slow hash would protect."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=32).hexdigest()
