"""The web page: what all its views have in common.

Every view is one template behind one URL, and is a whole page: the browser takes from it the part that it needs. A
page only shows; what changes something is sent to the HTTP interface, as any other program would send it.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount

from .assets import Assets

if TYPE_CHECKING:
    from jinja2 import Environment

#: In the order of the navigation: path, name.
VIEWS = (
    ("/", "Fleet"),
    ("/alerts", "Alerts"),
    ("/streams", "Streams"),
    ("/replays", "Replay"),
    ("/models", "Models"),
    ("/subscribers", "Subscribers"),
    ("/health", "Health"),
)


class Page:
    """Renders templates, and serves what they refer to."""

    def __init__(self) -> None:
        self.assets = Assets()

    def routes(self) -> list[BaseRoute]:
        """Scripts, styles and pictures, under an address that names their content."""
        return [Mount(self.assets.prefix, self.assets)]

    def html(self, request: Request, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
        """A view. All text in ``values`` is escaped; ``caller`` and ``path`` are there for every template."""
        around = {
            "path": request.url.path, "views": VIEWS, "assets": self.assets.prefix, "request": request,
            "caller": request.scope["caller"], "csrf": request.scope["csrf"],
        }  # fmt: skip
        text = self._templates.get_template(template).render({**around, **values})
        return HTMLResponse(text, status, {"Cache-Control": "no-store"})

    @cached_property
    def _templates(self) -> "Environment":
        from jinja2 import Environment, PackageLoader, StrictUndefined

        from .filters import FILTERS

        found = Environment(
            loader=PackageLoader("console.page"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        found.filters.update(FILTERS)
        return found
