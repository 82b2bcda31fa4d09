"""``/api/v1/session``: a browser shows a token once, and has a cookie from then on."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.web.body import Body
from agents.web.refusal import Refused
from contracts.instants import SECOND, iso

from ..access.access import Access, Identity
from ..access.gate import SIGN_IN
from ..access.sessions import COOKIE
from .answering import answer, answering, parsed
from .messages.session import Signed, SigningIn


class SessionApi:
    """The routes."""

    def __init__(self, access: Access, body: Body) -> None:
        self._access, self._body = access, body

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/api/v1/session", answering(self.told), methods=["GET"]),
            Route("/api/v1/session", answering(self.begun), methods=["POST"]),
            Route("/api/v1/session", answering(self.ended), methods=["DELETE"]),
        ]

    async def told(self, request: Request) -> Response:
        """Who is asking."""
        return answer(_signed(request.scope["identity"]))

    async def begun(self, request: Request) -> Response:
        """The token is theirs: the browser gets a cookie that no script can read."""
        said = parsed(SigningIn, await self._body.read(request))
        if not self._access.credentials.required():
            raise Refused(409, "nobody has to sign in here", "go on without", "open")
        if (known := self._access.credentials.shown(said.token)) is None:
            raise self._access.wrong(request)
        cookie, session = self._access.sessions.begin(known)
        identity = Identity(known, session)
        request.scope["caller"], request.scope["identity"] = known.caller, identity
        answered = answer(_signed(identity))
        answered.set_cookie(
            COOKIE, cookie, max_age=self._access.sessions.seconds_left(session), path="/", httponly=True,
            samesite="strict", secure=_encrypted(request),
        )  # fmt: skip
        return answered

    async def ended(self, request: Request) -> Response:
        """The session counts no more, and the browser forgets it."""
        session = request.scope["identity"].session
        if session is not None:
            self._access.sessions.end(session)
        answered = answer(_signed(None))
        answered.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=_encrypted(request))
        answered.headers["HX-Redirect"] = SIGN_IN
        return answered


def _signed(identity: Identity | None) -> Signed:
    if identity is None:
        return Signed(name="", role="", expires="")
    ends = iso(identity.session.expires * SECOND) if identity.session is not None else ""
    return Signed(name=identity.caller.name, role=identity.caller.role, expires=ends)


def _encrypted(request: Request) -> bool:
    """Whether the browser speaks HTTPS, perhaps to a proxy before us: its Origin says so, and only it is concerned."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https:")
