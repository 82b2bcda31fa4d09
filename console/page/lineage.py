"""``/lineage``: from an alert back to its raw readings, from a model or from data to all that came of it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from contracts.identity import series_name
from contracts.settings import Settings

from ..api.lineage import asked
from ..walks.asking import Lineage
from ..walks.graph import Box, graph_back, graph_forth
from .layered import WIDTH, drawn
from .page import Page

#: Rows that a section shows of readings and series; findings as many as were asked for.
_SHOWN = 50


class LineageView:
    """The routes."""

    def __init__(self, page: Page, lineage: Lineage, settings: Settings) -> None:
        self._page, self._lineage = page, lineage
        self._tracking = _tracking(settings.mlflow.uri)

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/lineage", self.entered, methods=["GET"]),
            Route("/lineage/{what:path}", self.asked, methods=["GET"]),
        ]

    async def entered(self, request: Request) -> Response:
        """Where nothing is asked for yet; what was typed leads on to its own page."""
        if what := request.query_params.get("what", "").strip():
            return RedirectResponse(f"/lineage/{quote(what, safe='/')}", 303)
        return self._page.html(request, "lineage.html", {"what": "", "found": None})

    async def asked(self, request: Request) -> Response:
        """What led to it, or what came of it."""
        what = request.path_params["what"]
        found = await self._lineage.ask(asked(what, request.query_params))
        back = "alert" in found
        drawing = drawn(graph_back(found) if back else graph_forth(found))
        values: dict[str, Any] = {
            "what": what, "found": found, "back": back, "drawing": drawing, "box_width": WIDTH,
            "address": self._address(found), "shown": _SHOWN,
        }  # fmt: skip
        if back:
            values |= _of_back(found, self.run(found["mlflow_run_id"] or ""))
        return self._page.html(request, "lineage.html", values)

    def run(self, run: str) -> str:
        """Where a browser finds a run of MLflow; empty: nowhere."""
        return f"{self._tracking}/#/runs/{quote(run, safe='')}" if self._tracking and run else ""

    def _address(self, found: dict[str, Any]) -> Callable[[Box], str]:
        """Where a box leads; empty: nowhere."""
        run = self.run(found.get("mlflow_run_id") or "")

        def address(box: Box) -> str:
            if box.part == "run" and run:
                return run
            if box.part:
                return f"#{box.part}"
            return f"/lineage/{quote(box.leads, safe='/')}" if box.leads else ""

        return address


def _of_back(found: dict[str, Any], run_at: str) -> dict[str, Any]:
    alert, evidence = found["alert"], found["alert"]["evidence"]
    return {
        "name": series_name(alert["asset"], alert["channel"]),
        "range": f"{evidence['stream']}/{alert['partition']}:{evidence['first']}-{evidence['last']}",
        "run": found["mlflow_run_id"] or "",
        "run_at": run_at,
        "packages": {**found["environment"].get("packages", {})},
        "training": found["training"] or {},
    }


def _tracking(uri: str | None) -> str:
    """The address of an MLflow that a browser can open, without what signs in there; empty: there is none."""
    try:
        parts = urlsplit(uri or "")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return ""
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
