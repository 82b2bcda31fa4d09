"""Sessions of browsers: a signed cookie that says by which token it was begun, and no longer counts than that."""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b, sha256
from hmac import compare_digest
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from agents.clock import Clock
from agents.privatefile import PrivateFile
from contracts.instants import SECOND

from .credentials import Credentials, Known

if TYPE_CHECKING:
    from itsdangerous import URLSafeSerializer

COOKIE = "tocsin_session"
LENGTH_S = 12 * 3_600
_MOST_TEXT, _MOST_ENDED = 1_024, 10_000


@dataclass(frozen=True)
class Session:
    """``name`` is random, ``csrf`` what a change has to show besides the cookie; ``expires``: wall clock, s."""

    known: Known
    name: str
    csrf: str
    expires: int


class Sessions:
    """Nothing is kept of them but the key that signs them, and which ones were ended before their time."""

    def __init__(self, folder: Path, credentials: Credentials, clock: Clock) -> None:
        self._file = PrivateFile(folder / "session.key", 1_024)
        self._credentials, self._clock = credentials, clock
        self._key = b""
        self._ended: OrderedDict[str, int] = OrderedDict()

    def begin(self, known: Known) -> tuple[str, Session]:
        """A session of somebody who showed a token: the cookie, and what it says. Raises Unavailable."""
        now = self._clock.wall_ns() // SECOND
        expires = min(now + LENGTH_S, known.expires // SECOND or now + LENGTH_S)
        signer, name = self._signer(make=True), token_hex(16)
        told = {"by": known.caller.name, "token": self._keyed(known.hash), "name": name, "expires": expires}
        # With the usual serializer a text.
        return str(signer.dumps(told)), Session(known, name, self._keyed(name), expires)

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie, while it counts: its token does, and nobody signed out. Raises Unavailable."""
        from itsdangerous import BadData

        if not cookie or len(cookie) > _MOST_TEXT:
            return None
        try:
            told = self._signer().loads(cookie)
            by, token, name, expires = told["by"], told["token"], told["name"], told["expires"]
        except (BadData, KeyError, TypeError):
            return None
        known = self._credentials.named(by) if self._counts(name, expires) else None
        # A name may have got another token since.
        if known is None or not compare_digest(token, self._keyed(known.hash)):
            return None
        return Session(known, name, self._keyed(name), expires)

    def lasts(self, session: Session) -> bool:
        """Whether one that was read before still counts. Raises Unavailable."""
        counts = self._counts(session.name, session.expires)
        return counts and self._credentials.of(session.known.hash) is not None

    def seconds_left(self, session: Session) -> int:
        """How long it still counts."""
        return max(1, session.expires - self._clock.wall_ns() // SECOND)

    def end(self, session: Session) -> None:
        """It counts no more. A restart forgets that; the browser has no cookie any more by then."""
        self._ended[session.name] = session.expires
        while len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)

    def _counts(self, name: str, expires: int) -> bool:
        return name not in self._ended and self._clock.wall_ns() // SECOND < expires

    def _keyed(self, text: str) -> str:
        """What only we can have said of it."""
        return blake2b(text.encode(), key=self._key[:64], digest_size=24).hexdigest()

    def _signer(self, *, make: bool = False) -> "URLSafeSerializer":
        from itsdangerous import URLSafeSerializer

        if not self._key:
            self._key = self._file.read() or b""
        if not self._key:
            self._key = self._made() if make else b""
        # Before the first session there is no key, and nothing that any could have signed.
        key = self._key or token_hex(32).encode()
        return URLSafeSerializer(key, salt="tocsin session", signer_kwargs={"digest_method": sha256})

    def _made(self) -> bytes:
        with self._file.changing():
            # Another process may have been faster.
            if not (found := self._file.read()):
                found = token_hex(32).encode()
                self._file.write(found)
            return found
