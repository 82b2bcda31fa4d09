"""``/replays``: the past run again, with another model or configuration; and what came of it."""

from functools import partial
from typing import Any
from urllib.parse import urlencode

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.identity import series_name
from contracts.instants import SECOND, from_iso, iso

from ..alerting.inbox import Inbox
from ..api.query import number as number_of
from ..render import span
from ..replaying.choices import Choices
from ..replaying.differences import FARTHEST, page
from ..replaying.replays import Replays
from ..replaying.run import ENDED
from ..replaying.verdict import FATES
from .filters import around, number, series_at
from .page import Page

_FORM = ("from", "to", "series", "model", "changes", "agent")
#: Differences on a page, runs in the list.
_ROWS, _RUNS = 100, 50
#: Said of every difference already, or too long to help.
_DULL = frozenset(
    {"evidence", "environment", "feature_set", "finding", "key", "body", "evidence.first", "evidence.last"}
)
_LONGEST = 60


class ReplaysView:
    """The routes."""

    def __init__(self, page: Page, replays: Replays, choices: Choices, inbox: Inbox) -> None:
        self._page, self._replays, self._choices, self._inbox = page, replays, choices, inbox

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/replays", self.listed, methods=["GET"]),
            Route("/replays/{replay:str}", self.one, methods=["GET"]),
        ]

    async def listed(self, request: Request) -> Response:
        """The form, filled in with what somebody came from, and all runs."""
        form, choices = dict.fromkeys(_FORM, ""), dict[str, Any]({"models": [], "agents": []})
        if request.headers.get("HX-Target") != "runs":
            form = await self._form(request)
            choices = {"models": await self._choices.models(), "agents": await self._choices.agents()}
        rows = [_row(row) for row in self._replays.rows()[:_RUNS]]
        values = {**choices, "form": form, "rows": rows, "possible": self._replays.program is not None}
        return self._page.html(request, "replays.html", values)

    async def one(self, request: Request) -> Response:
        """How far one is, or what it came to."""
        run = self._replays.one(request.path_params["replay"])
        row = _row(self._replays.row(run))
        asked = {name: request.query_params.get(name, "") for name in ("difference", "type", "series")}
        values: dict[str, Any] = {"run": row, "asked": asked, "fates": list(FATES.values()), "found": [], "next": ""}
        values |= {"running": run.state not in ENDED, "link": _links(run.id, asked)}
        if run.state == "done" and run.result and run.result["differences"]:
            look = partial(
                page,
                run.differences,
                number_of(request.query_params, "after", 0, most=FARTHEST),
                _ROWS,
                *asked.values(),
            )
            found, values["next"] = await to_thread.run_sync(look)
            values["found"] = [_difference(each) for each in found]
        answer = self._page.html(request, "replay.html", values)
        if run.state in ENDED and request.headers.get("HX-Target") == "state":
            # It ended while somebody watched: the page has other parts now.
            answer.headers["HX-Refresh"] = "true"
        return answer

    async def _form(self, request: Request) -> dict[str, str]:
        query = request.query_params
        form = {name: query.get(name, "") for name in _FORM}
        if alert := query.get("around", ""):
            found = await self._inbox.one(alert)
            form["from"], form["to"] = self._choices.around(found.began, found.last)
            form["series"] = form["series"] or found.asset
        elif not (form["from"] or form["to"]):
            form["from"], form["to"] = await self._choices.last_hour()
        if not query.get("from") and not query.get("to"):
            form["from"], form["to"] = _whole(form["from"], 0), _whole(form["to"], SECOND - 1)
        return form


def _whole(text: str, more: int) -> str:
    """A suggestion in whole seconds, as people type them; a range gets no shorter by it."""
    return iso((from_iso(text) + more) // SECOND * SECOND) if text else ""


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """As the templates show it."""
    begun, ended = row["begun"], row["ended"]
    progress = row["progress"]
    return {
        **row,
        "what": _what(row),
        "range": f"{_clock(row['from']) or 'the beginning'} to {_clock(row['to']) or 'the end'}",
        "took": span((from_iso(ended) - from_iso(begun)) / 1e9) if begun and ended else "",
        "left": span(progress["left_s"]) if progress and progress["left_s"] is not None else "",
        "identical": bool(row["result"] and row["result"]["identical"]),
    }


def _what(row: dict[str, Any]) -> str:
    if row["bundle"]:
        return f"model {row['model'] if row['model'] != row['bundle'] else row['bundle'][:12]}"
    return "another configuration" if row["changes"] else "nothing"


def _clock(text: str) -> str:
    # A fraction counts: it is told where there is one.
    return f"{text[:-1].replace('T', ' ')} UTC" if text.endswith("Z") else text


def _difference(row: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in {**row["before"], **row["after"]} if name not in _DULL]
    changed = row["difference"] in ("changes", "moves")
    fields = [(name, _short(row["before"].get(name)), _short(row["after"].get(name))) for name in names if changed]
    link = f"{series_at(row['asset'], row['channel'])}?{around(row['time'])}"
    where = series_name(row["asset"], row["channel"])
    return {**row, "where": where, "fields": fields, "link": link if row["channel"] else ""}


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else number(None) if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _links(name: str, asked: dict[str, str]) -> dict[str, str]:
    """Fate -> the address of the list with only these; ``""``: of all, ``here``: of this one."""
    rest = {key: text for key, text in asked.items() if text and key != "difference"}
    links = {fate: f"/replays/{name}?" + urlencode({"difference": fate, **rest}) for fate in FATES.values()}
    here = urlencode({key: text for key, text in asked.items() if text})
    return {"": f"/replays/{name}?" + urlencode(rest), **links, "here": f"/replays/{name}?" + here}
