"""``/alerts``: what was found and who takes care of it; and the page of one alert, for whoever was just woken up."""

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.clock import Clock
from agents.notification.alerts.alert import RANK, Alert
from agents.web.refusal import Refused
from bus.history import History
from contracts.errors import NotFound
from contracts.identity import series_name
from contracts.instants import from_iso

from ..acting import alerts as acting
from ..alerting import recalled
from ..alerting.findings import latest
from ..alerting.inbox import STATES, Found, Inbox
from ..alerting.story import story
from ..api.alerts import wanted
from ..api.answering import refused_as
from ..render import span
from .page import Page
from .silences import LENGTHS
from .strokes import bars, curve, score

#: Alerts on a page, findings where nobody follows alerts, shares that are drawn.
_ROWS, _FINDINGS, _SHARES = 100, 100, 8


class AlertsView:
    """The routes."""

    def __init__(self, page: Page, inbox: Inbox, history: History) -> None:
        self._page, self._inbox, self._history = page, inbox, history

    def routes(self) -> list[Route]:
        """For the application."""
        return [Route("/alerts", self.listed, methods=["GET"]), Route("/alerts/{alert:str}", self.one, methods=["GET"])]

    async def listed(self, request: Request) -> Response:
        """The inbox; where nobody follows alerts, the latest findings."""
        query = request.query_params
        state = query.get("state", "open")
        asked = {"state": state, **{name: query.get(name, "") for name in ("text", "severity", "match")}}
        values: dict[str, Any] = {
            "asked": asked, "tabs": (*STATES, "all"), "severities": sorted(RANK, key=RANK.__getitem__, reverse=True),
            "rows": [], "counts": {}, "problem": "", "next": "", "link": _links(asked),
        }  # fmt: skip
        status = 200
        try:
            found = await self._inbox.find(wanted(_query(asked)))
            rows, after = found.page(_ROWS, query.get("after"))
        except NotFound as error:
            findings = await latest(self._inbox.bus, _FINDINGS, labelled=False)
            about = {"findings": findings, "why": str(error.args[0]), "mend": error.mend}
            return self._page.html(request, "findings.html", about)
        except (Refused, ValueError) as error:
            refused = refused_as(error)
            values["problem"], status = str(error.args[0]), refused.status if refused else 422
        else:
            now = Clock.wall_ns()
            values |= {"rows": [_row(alert, now) for alert in rows], "counts": _counts(found), "next": after}
        return self._page.html(request, "alerts.html", values, status)

    async def one(self, request: Request) -> Response:
        """Everything about one alert."""
        alert, followed = await recalled.one(self._inbox, self._history, request.path_params["alert"])
        told, now = await story(self._history, alert), Clock.wall_ns()
        why = told["why"] or {}
        shares = sorted(alert.about[3].items(), key=lambda item: -abs(item[1]))[:_SHARES]
        values = {
            "alert": _row(alert, now), "followed": followed, "story": told, "why": why, "curve": curve(told["curve"]),
            "score": score(why), "shares": bars(shares), "matchers": _matchers(alert),
            "lengths": LENGTHS,
        }  # fmt: skip
        return self._page.html(request, "alert.html", values)


def _row(alert: Alert, now: int) -> dict[str, Any]:
    end = alert.ended or now
    row = acting.row(alert)
    return {
        **row,
        "series": series_name(alert.asset, alert.channel),
        "age": span(max(0, now - alert.opened) / 1e9),
        "lasted": span(max(0, end - alert.opened) / 1e9),
        "left": span((alert.until - now) / 1e9) if alert.until > now else "",
        "live": abs(alert.opened - from_iso(row["began"])) < 3_600_000_000_000 if row["began"] else True,
    }


def _counts(found: Found) -> dict[str, int]:
    return {**found.counts, "all": sum(found.counts.values())}


def _matchers(alert: Alert) -> list[str]:
    """What silences alerts like this one."""
    labels = {"asset": alert.asset, "channel": alert.channel, "kind": alert.kind}
    return [f'{name}="{_quoted(text)}"' for name, text in labels.items() if text and name in alert.labels]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _query(asked: dict[str, str]) -> Any:
    from starlette.datastructures import QueryParams

    said = [(name, text) for name, text in asked.items() if text and (name, text) != ("state", "all")]
    matchers = [("match", line) for line in asked["match"].splitlines() if line.strip()]
    return QueryParams([*(each for each in said if each[0] != "match"), *matchers, ("order", "severity")])


def _links(asked: dict[str, str]) -> dict[str, str]:
    """State -> the address of its tab, with the same filter; ``here``: that of this one."""
    rest = {name: text for name, text in asked.items() if text and name != "state"}
    links = {state: "/alerts?" + urlencode({"state": state, **rest}) for state in (*STATES, "all")}
    return {**links, "here": "/alerts?" + urlencode({"state": asked["state"], **rest})}
