"""What is recorded of changes, and that nothing is changed without."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from agents.web.refusal import Refused
from bus.memory import MemoryBus
from bus.protocol import Place
from console.access.caller import CALLER, Caller
from console.api.answering import parsed
from console.api.messages.message import Noted
from contracts.errors import Unavailable
from contracts.events import ActionAudited
from tests.callers import House, house


async def done(at: House, who: str | None, path: str = "/api/v1/subscribers/shift/test", **more: str) -> int:
    return (await at.ask("POST", path, {}, **at.bearer(who), **more)).status


async def test_a_change_is_recorded_with_who_what_and_how_it_ended(tmp_path: Path) -> None:
    """By the id that the answer has."""
    async with house(tmp_path) as at:
        answer = await at.ask("POST", "/api/v1/subscribers/shift%0Ax/test", {}, **at.bearer("operator"))
        found = (await at.audited())[0]
        assert (found.by, found.role, found.operation, found.status) == ("operator", "operator", "test", answer.status)
        assert (found.target, found.address) == ("/api/v1/subscribers/shift%250Ax/test", "127.0.0.1")
        assert found.request == found.cause == answer.headers["x-request-id"]


async def test_what_was_refused_for_its_role_is_recorded_and_reading_is_not(tmp_path: Path) -> None:
    """Nor is a question that changes nothing, whatever its method."""
    async with house(tmp_path) as at:
        assert await done(at, "viewer") == 403
        await at.ask("GET", "/api/v1/alerts", **at.bearer("viewer"))
        await at.ask("POST", "/api/v1/ml/predict", {}, **at.bearer("viewer"))
        assert [(each.by, each.operation, each.status) for each in await at.audited()] == [("viewer", "test", 403)]


async def test_a_forged_request_is_recorded(tmp_path: Path) -> None:
    """One that a browser sent with its cookie, and without the token of a page of ours."""
    async with house(tmp_path) as at:
        cookie, _ = await at.sign_in("operator")
        answer = await at.ask("POST", "/api/v1/silences", {}, cookie=f"tocsin_session={cookie}")
        last = (await at.audited())[-1]
        assert (answer.status, last.by, last.operation, last.status) == (403, "operator", "silence", 403)


async def test_signing_in_and_out_is_recorded(tmp_path: Path) -> None:
    """Wrong tokens too, without what was shown."""
    async with house(tmp_path) as at:
        cookie, csrf = await at.sign_in("viewer")
        await at.ask("DELETE", "/api/v1/session", cookie=f"tocsin_session={cookie}", x_csrf_token=csrf)
        await at.ask("POST", "/api/v1/session", {"token": "a canary"})
        await at.ask("GET", "/api/v1/alerts", authorization="Bearer a canary")
        found = await at.audited()
        assert [(each.by, each.operation, each.status) for each in found] == [
            ("viewer", "sign-in", 200), ("viewer", "sign-out", 200),
            ("unknown", "sign-in", 401), ("unknown", "sign-in", 401),
        ]  # fmt: skip
        assert "canary" not in json.dumps([each.model_dump() for each in found])
        assert at.texts["viewer"] not in json.dumps([each.model_dump() for each in found])


async def test_refused_requests_cannot_fill_the_log(tmp_path: Path) -> None:
    """They are told of as a number, and none is forgotten."""
    async with house(tmp_path) as at:
        for _ in range(500):
            await at.ask("GET", "/api/v1/alerts", authorization="Bearer wrong")
            await done(at, "viewer")
        assert len(await at.audited()) == 40
        at.time.move(4)
        await at.ask("GET", "/api/v1/alerts", authorization="Bearer wrong")
        await done(at, "viewer")
        found = await at.audited()
        assert len(found) == 42
        assert sum(each.more + 1 for each in found) == 1_002


class Broken(MemoryBus):
    """A log that takes nothing."""

    async def append(self, place: Place, frames: Any) -> int:
        raise Unavailable("the log does not answer", mend="start it")


async def test_a_change_that_cannot_be_recorded_is_not_told_as_done(tmp_path: Path) -> None:
    """503, as of every change while the log is down; and a line of the service's own log says what it was."""
    async with house(tmp_path) as at:
        at.application.access.audit._bus = Broken(4)
        with structlog.testing.capture_logs() as lines:
            answer = await at.ask("POST", "/api/v1/session", {"token": at.texts["viewer"]})
        assert (answer.status, answer.kind, answer.cookies) == (503, "store down", [])
        told = [line for line in lines if line["event"] == "a change could not be recorded"]
        assert [(line["by"], line["operation"]) for line in told] == [("viewer", "sign-in")]


async def test_an_error_of_ours_is_recorded_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change may have been made before it."""

    def fails(*_: Any) -> None:
        raise RuntimeError

    async with house(tmp_path) as at:
        monkeypatch.setattr(at.application.access.sessions, "begin", fails)
        answer = await at.ask("POST", "/api/v1/session", {"token": at.texts["viewer"]})
        assert answer.status == 500
        assert [(each.operation, each.status) for each in await at.audited()] == [("sign-in", 500)]


async def test_the_record_is_in_the_log_before_the_answer(tmp_path: Path) -> None:
    """Whoever has an answer finds it there."""
    async with house(tmp_path) as at:
        seen: list[int] = []
        real = at.application.access.audit.tell

        async def tell(*arguments: Any) -> None:
            await real(*arguments)
            seen.append(len(await at.audited()))

        at.application.access.audit.tell = tell  # type: ignore[assignment,method-assign]  # to look in between
        await done(at, "operator")
        assert seen == [1]


@pytest.mark.parametrize(
    ("name", "said", "by"),
    [("ann", None, "ann"), ("ann", "ann", "ann"), ("ann", "bob", None), ("ann", "api", None), ("local", "bob", "bob"),
     ("configuration", "bob", "bob"), ("local", None, "api")],
)  # fmt: skip
def test_nobody_signs_as_somebody_else(name: str, said: str | None, by: str | None) -> None:
    """A token of its own says who it is; without one ``by`` is free."""
    body = b"{}" if said is None else json.dumps({"by": said}).encode()
    before = CALLER.set(Caller(name, "admin"))
    try:
        if by is None:
            with pytest.raises(Refused, match="is not whose token this is"):
                parsed(Noted, body)
        else:
            assert parsed(Noted, body).by == by
    finally:
        CALLER.reset(before)


async def test_log_lines_of_a_request_carry_its_id_and_its_caller(tmp_path: Path, capsys: Any) -> None:
    """So that a line can be found from an answer."""
    async with house(tmp_path) as at:
        at.application.access.audit._bus = Broken(4)
        with written_to_standard_error():
            answer = await at.ask("POST", "/api/v1/subscribers/shift/test", {}, **at.bearer("operator"))
        line = json.loads(capsys.readouterr().err.splitlines()[-1])
        assert (line["request"], line["by"]) == (answer.headers["x-request-id"], "operator")
        assert structlog.contextvars.get_contextvars() == {}


@contextmanager
def written_to_standard_error() -> Iterator[None]:
    """As a service writes it, without leaving that to other tests."""
    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def test_events_of_the_record_are_not_sent_to_whoever_may_look() -> None:
    """They say who did what, and from where; `tocsin export --stream audit` writes them."""
    from console.api.streaming.wish import KINDS

    assert ActionAudited.__name__ not in KINDS
