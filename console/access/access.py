"""Everything that decides who may do what, of one interface."""

from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest

from starlette.requests import HTTPConnection

from agents.clock import Clock
from agents.web.refusal import Refused
from bus.protocol import Bus
from contracts.settings import Settings

from .auditing import Audit, address_of
from .caller import Caller
from .credentials import Credentials, Known
from .rates import Rates
from .sessions import COOKIE, Session, Sessions
from .tokens import tokens_of
from .watching import Watch

#: Wrong tokens of one address that are answered as such in a minute.
_WRONG = 10
#: Streams of events that may be opened anew within so many seconds: after a restart all come back at once.
_STREAMS_S = 10


@dataclass(frozen=True)
class Identity:
    """Who asks; ``session`` where a browser says so by its cookie."""

    known: Known
    session: Session | None = None

    @property
    def caller(self) -> Caller:
        return self.known.caller


class Access:
    """Tokens, sessions, limits, and the record of changes."""

    def __init__(self, settings: Settings, bus: Bus, clock: Clock) -> None:
        limits = settings.api
        self.credentials = Credentials(limits, tokens_of(settings.data_dir, clock))
        self.sessions = Sessions(settings.data_dir / "secrets", self.credentials, clock)
        self.audit = Audit(bus, clock)
        self.watch = Watch()
        self.drain_bytes = limits.max_body_bytes
        self._wrong = Rates(_WRONG, _WRONG / 60, clock.monotonic_s)
        self._rates = Rates(limits.requests_per_minute, limits.requests_per_minute / 60, clock.monotonic_s)
        streams = limits.requests_per_minute + limits.subscribers
        self._streams = Rates(streams, streams / _STREAMS_S, clock.monotonic_s)

    def identity(self, connection: HTTPConnection) -> Identity | None:
        """Who asks; None for somebody who does not say.

        Raises Refused for a token that is none, and Unavailable where it cannot be told.
        """
        kind, _, shown = connection.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and (known := self.credentials.shown(shown.strip())) is not None:
            return Identity(known)
        if not self.credentials.required():
            known = self.credentials.of("")
            return None if known is None else Identity(known)
        if kind:
            raise self.wrong(connection)
        session = self.sessions.read(connection.cookies.get(COOKIE, ""))
        return None if session is None else Identity(session.known, session)

    def wrong(self, connection: HTTPConnection) -> Refused:
        """The refusal of a token that is none. Who tries often is told so; a right token is never in their way."""
        if pause := self._wrong.take(address_of(connection)):
            mend = "wait a minute, and check the token"
            return Refused(429, "too many wrong tokens came from there", mend, "rate", retry_after_s=pause)
        return Refused(401, "the token is missing or wrong", "send the header Authorization: Bearer TOKEN")

    def limit(self, connection: HTTPConnection, identity: Identity | None, *, stream: bool) -> None:
        """Raises Refused for somebody who asks too often: the holder of a token, or an address."""
        named = identity is not None and identity.caller.named
        who = f"token {identity.caller.name}" if identity and named else f"address {address_of(connection)}"
        if pause := (self._streams if stream else self._rates).take(who):
            mend = "wait, or raise api.requests_per_minute"
            raise Refused(429, "too many requests in a minute", mend, "rate", retry_after_s=pause)

    def lasting(self, identity: Identity) -> Callable[[], bool]:
        """Whether somebody who came in before still may be here."""
        session = identity.session
        if session is not None:
            return lambda: self.sessions.lasts(session)
        return lambda: self.credentials.of(identity.known.hash) is not None

    @staticmethod
    def forged(connection: HTTPConnection, identity: Identity | None) -> Refused | None:
        """The refusal of a change that a browser sends with its cookie, but not from a page of ours."""
        if identity is None or identity.session is None:
            return None
        if compare_digest(connection.headers.get("x-csrf-token", "").encode(), identity.session.csrf.encode()):
            return None
        return Refused(403, "the header X-CSRF-Token is missing or of another session", "load the page again", "csrf")
