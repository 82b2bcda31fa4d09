"""``/sign-in``: a token is shown once, and the browser has a session from then on."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ..access.access import Access
from ..access.gate import SIGN_IN, local
from .page import Page


class SignIn:
    """The view that everybody may see; it shows nothing of what is watched."""

    def __init__(self, page: Page, access: Access) -> None:
        self._page, self._access = page, access

    def route(self) -> Route:
        """For the application."""
        return Route(SIGN_IN, self.shown, methods=["GET"])

    async def shown(self, request: Request) -> Response:
        """The form; whoever is known already goes on to where they wanted to be."""
        onward = local(request.query_params.get("next", "/"))
        if request.scope["identity"] is not None:
            return RedirectResponse(onward, 303)
        return self._page.html(request, "signin.html", {"onward": onward})
