"""The view of one series: the frame of the page; its script asks the HTTP interface for the curve, range by range."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.identity import is_name

from ..curves.marks import KINDS
from .page import Page

#: Lengths of range buttons, seconds; 0: from the first reading on.
RANGES = (("15 min", 900), ("1 h", 3_600), ("6 h", 21_600), ("1 d", 86_400), ("7 d", 604_800), ("all", 0))


class SeriesView:
    """One page for each series; whether it was ever heard of, the HTTP interface says."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def routes(self) -> list[Route]:
        """For the application."""
        return [Route("/series/{asset:str}/{channel:str}", self.one, methods=["GET"])]

    async def one(self, request: Request) -> Response:
        """The frame; the range stands in the query, and the script reads it there."""
        asset, channel = request.path_params["asset"], request.path_params["channel"]
        known = is_name(asset) and is_name(channel)
        values = {"asset": asset, "channel": channel, "known": known, "ranges": RANGES, "kinds": KINDS}
        return self._page.html(request, "series.html", values, 200 if known else 404)
