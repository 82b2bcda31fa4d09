"""Requests are counted by operation and kind of answer, whatever is asked for."""

from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.types import Message, Receive, Scope, Send

from agents.clock import Clock
from agents.telemetry.metrics import Metrics
from console.api.operations.operation import Operation
from console.metrics.requests import Counted

OPERATIONS = (
    Operation("get", "/api/v1/alerts", "alerts", "", role="viewer"),
    Operation("get", "/api/v1/alerts/{id}", "alert", "", role="viewer"),
    Operation("post", "/api/v1/alerts/{id}/ack", "ack", "", role="operator"),
    Operation("get", "/api/v1/events", "events", "", answer="text/event-stream", role="viewer"),
    Operation("websocket", "/api/v1/events/ws", "socket", "", role="viewer"),
)


class Time(Clock):
    """Each look takes a quarter of a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic_s(self) -> float:
        self.now += 0.25
        return self.now


async def asked(metrics: Metrics, method: str, path: str, status: int = 200, *, fails: bool = False) -> None:

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if fails:
            raise OSError("broken")
        await send({"type": "http.response.start", "status": status})

    async def send(message: Message) -> None:
        assert message

    async def receive() -> Message:
        return {}

    scope: Scope = {"type": "http" if method else "websocket", "path": path, "method": method}
    await Counted(app, OPERATIONS, metrics, Time())(scope, receive, send)


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", "/api/v1/alerts", 200, ("alerts", "2xx")),
        ("HEAD", "/api/v1/alerts", 200, ("alerts", "2xx")),
        ("GET", "/api/v1/alerts/4f2a", 404, ("alert", "4xx")),
        ("POST", "/api/v1/alerts/4f2a/ack", 503, ("ack", "5xx")),
        ("DELETE", "/api/v1/alerts/4f2a", 405, ("other", "4xx")),
        ("GET", "/api/v1/alerts/a/b/c", 404, ("other", "4xx")),
        ("GET", "/alerts/4f2a", 200, ("page", "2xx")),
        ("GET", "/static/ab/app.js", 304, ("asset", "3xx")),
    ],
)
async def test_a_request_is_counted_once_with_its_time(
    method: str, path: str, status: int, expected: tuple[str, str]
) -> None:
    metrics = Metrics()
    await asked(metrics, method, path, status)
    (labels, slot) = next(iter(metrics.series["tocsin_api_request_seconds"].items()))
    assert (labels, sum(slot[:-1]), slot[-1]) == (expected, 1.0, 0.25)


async def test_a_request_that_breaks_is_counted_too() -> None:
    metrics = Metrics()
    with pytest.raises(OSError, match="broken"):
        await asked(metrics, "GET", "/api/v1/alerts", fails=True)
    assert list(metrics.series["tocsin_api_request_seconds"]) == [("alerts", "none")]


@pytest.mark.parametrize(
    ("method", "path", "name"), [("GET", "/api/v1/events", "events"), ("", "/api/v1/events/ws", "socket")]
)
async def test_what_stays_open_is_counted_while_it_does(method: str, path: str, name: str) -> None:
    metrics = Metrics()
    during: list[float] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        during.append(metrics.series["tocsin_api_connections"][(name,)][0])
        await anyio.lowlevel.checkpoint()

    async def nothing(_: Message | None = None) -> Any:
        return {}

    counted = Counted(app, OPERATIONS, metrics, Time())
    scope: Scope = {"type": "http" if method else "websocket", "path": path, "method": method}
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(counted, scope, nothing, nothing)
    assert during == [1.0, 2.0]
    assert metrics.series["tocsin_api_connections"][(name,)] == [0.0]
    assert "tocsin_api_request_seconds" not in metrics.series
