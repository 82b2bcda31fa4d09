"""Sessions of browsers: what their cookies are worth, for how long, and to whom."""

from pathlib import Path

import anyio
import pytest

from console.access.gate import local
from console.access.sessions import COOKIE, LENGTH_S
from tests.callers import House, house, scope_of


def carrying(cookie: str, csrf: str = "") -> dict[str, str]:
    return {"cookie": f"{COOKIE}={cookie}"} | ({"x_csrf_token": csrf} if csrf else {})


async def acks(at: House, **headers: str) -> tuple[int, str]:
    """Asks for a change; one that was let through finds that there are no alerts."""
    answer = await at.ask("POST", "/api/v1/alerts/abcd/ack", {}, **headers)
    return answer.status, answer.kind


async def test_a_session_may_what_its_token_may(tmp_path: Path) -> None:
    """By a cookie instead of a header."""
    async with house(tmp_path) as at:
        cookie, csrf = await at.sign_in("operator")
        told = await at.ask("GET", "/api/v1/session", **carrying(cookie))
        assert (told.json["name"], told.json["role"]) == ("operator", "operator")
        assert (await acks(at, **carrying(cookie, csrf)))[0] == 404
        cookie, csrf = await at.sign_in("viewer")
        assert await acks(at, **carrying(cookie, csrf)) == (403, "role")


async def test_no_script_and_no_other_site_has_the_cookie(tmp_path: Path) -> None:
    """And over HTTPS it is never sent in the clear."""
    async with house(tmp_path) as at:
        body = {"token": at.texts["viewer"]}
        plain = (await at.ask("POST", "/api/v1/session", body)).cookies
        assert len(plain) == 1
        assert plain[0].lower().split("; ")[1:] == ["httponly", f"max-age={LENGTH_S}", "path=/", "samesite=strict"]
        secure = (await at.ask("POST", "/api/v1/session", body, origin="https://localhost")).cookies
        assert secure[0].lower().endswith("; secure")


@pytest.mark.parametrize("shown", ["", "0" * 48, "of another session"])
async def test_a_change_by_cookie_needs_the_csrf_token_of_its_session(tmp_path: Path, shown: str) -> None:
    """A page of another site can have the browser send the cookie, but cannot know this."""
    async with house(tmp_path) as at:
        cookie, _ = await at.sign_in("operator")
        if shown == "of another session":
            _, shown = await at.sign_in("admin")
        assert await acks(at, **carrying(cookie, shown)) == (403, "csrf")


async def test_reading_by_cookie_needs_no_csrf_token(tmp_path: Path) -> None:
    """EventSource and WebSocket cannot send one."""
    async with house(tmp_path) as at:
        cookie, _ = await at.sign_in("viewer")
        assert (await at.ask("GET", "/api/v1/events", **carrying(cookie))).status == 200
        assert (await at.ask("WEBSOCKET", "/api/v1/events/ws", **carrying(cookie))).status == 101
        assert (await at.ask("WEBSOCKET", "/api/v1/events/ws")).status == 401


async def test_a_cookie_that_was_changed_or_made_up_is_none(tmp_path: Path) -> None:
    """Also one that was signed with the key of another installation."""
    async with house(tmp_path) as at, house(tmp_path / "other") as other:
        cookie, _ = await at.sign_in("viewer")
        elsewhere, _ = await other.sign_in("admin")
        forged = cookie[:-2] + ("A" if cookie[-2] != "A" else "B") + cookie[-1]
        for text in (forged, elsewhere, cookie.rpartition(".")[0], "x" * 5_000, "e30.e30"):
            assert (await at.ask("GET", "/api/v1/alerts", **carrying(text))).status == 401


async def test_a_session_ends_with_its_token(tmp_path: Path) -> None:
    """Revoked while the service runs; and a new token of the same name does not bring it back."""
    async with house(tmp_path) as at:
        cookie, _ = await at.sign_in("operator")
        at.tokens.revoke("operator")
        assert (await at.ask("GET", "/api/v1/alerts", **carrying(cookie))).status == 401
        at.tokens.create("operator", "admin")
        assert (await at.ask("GET", "/api/v1/alerts", **carrying(cookie))).status == 401


async def test_a_session_ends_after_twelve_hours_or_when_its_token_expires(tmp_path: Path) -> None:
    """Whichever comes first."""
    async with house(tmp_path) as at:
        at.texts["short"] = at.tokens.create("short", "viewer", 3_600_000_000_000)[1]
        whole, short = (await at.sign_in("viewer"))[0], (await at.sign_in("short"))[0]
        at.time.move(3_599)
        assert (await at.ask("GET", "/api/v1/session", **carrying(short))).json["name"] == "short"
        at.time.move(2)
        assert (await at.ask("GET", "/api/v1/session", **carrying(short))).json["name"] == ""
        assert (await at.ask("GET", "/api/v1/session", **carrying(whole))).json["name"] == "viewer"
        at.time.move(LENGTH_S)
        assert (await at.ask("GET", "/api/v1/session", **carrying(whole))).json["name"] == ""


async def test_signing_out_ends_the_session_and_not_only_the_cookie(tmp_path: Path) -> None:
    """Whoever copied the cookie before has nothing of it."""
    async with house(tmp_path) as at:
        cookie, csrf = await at.sign_in("viewer")
        assert (await at.ask("DELETE", "/api/v1/session", **carrying(cookie))).kind == "csrf"
        answer = await at.ask("DELETE", "/api/v1/session", **carrying(cookie, csrf))
        assert (answer.status, answer.headers["hx-redirect"]) == (200, "/sign-in")
        assert "max-age=0" in answer.cookies[0].lower()
        assert (await at.ask("GET", "/api/v1/alerts", **carrying(cookie))).status == 401


@pytest.mark.parametrize("by", ["bearer", "cookie"])
async def test_a_stream_that_is_open_ends_when_its_token_is_revoked(
    tmp_path: Path, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within seconds, and without the client asking for anything."""
    monkeypatch.setattr("console.access.watching._PAUSE_S", 0.05)
    async with house(tmp_path) as at:
        headers = at.bearer("viewer") if by == "bearer" else carrying((await at.sign_in("viewer"))[0])
        started, ended = anyio.Event(), anyio.Event()

        async def receive() -> dict[str, object]:
            await anyio.sleep_forever()
            return {}

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.body":
                started.set()

        async def stream() -> None:
            scope = scope_of("GET", "/api/v1/events", {"host": "localhost", **headers})
            await at.app(scope, receive, send)  # type: ignore[arg-type]  # plain dictionaries
            ended.set()

        async with anyio.create_task_group() as group:
            group.start_soon(stream)
            with anyio.fail_after(10):
                await started.wait()
                at.tokens.revoke("viewer")
                await ended.wait()
            group.cancel_scope.cancel()
        assert ended.is_set()


async def test_people_are_sent_to_sign_in_and_back(tmp_path: Path) -> None:
    """A page leads there; a part of a page takes the whole page there; programs are told."""
    async with house(tmp_path) as at:
        whole = await at.ask("GET", "/alerts?state=open")
        assert (whole.status, whole.headers["location"]) == (303, "/sign-in?next=/alerts%3Fstate%3Dopen")
        part = await at.ask("GET", "/alerts", hx_request="true", hx_current_url="http://localhost/series/a/b?x=1")
        assert (part.status, part.headers["hx-redirect"]) == (401, "/sign-in?next=/series/a/b%3Fx%3D1")
        assert (await at.ask("GET", "/api/v1/alerts", accept="text/html")).status == 401
        shown = await at.ask("GET", whole.headers["location"])
        assert (shown.status, b'data-next="/alerts?state=open"' in shown.body) == (200, True)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
        "javascript:alert(1)",
        "/\n/evil.example", "http:/evil.example", " //evil.example", "///evil.example", "", "evil.example", "//[",
    ],
)  # fmt: skip
async def test_signing_in_leads_nowhere_else(tmp_path: Path, elsewhere: str) -> None:
    """No open redirect, for who signs in and for who is known already."""
    assert local(elsewhere) == "/"
    async with house(tmp_path) as at:
        from urllib.parse import quote

        address = f"/sign-in?next={quote(elsewhere)}"
        assert b'data-next="/"' in (await at.ask("GET", address)).body
        assert (await at.ask("GET", address, **at.bearer("viewer"))).headers["location"] == "/"


async def test_where_nobody_has_to_sign_in_nobody_does(tmp_path: Path) -> None:
    """The page leads on, and a token is not taken."""
    async with house(tmp_path, tokens=False) as at:
        assert (await at.ask("GET", "/sign-in?next=/alerts")).headers["location"] == "/alerts"
        assert (await at.ask("POST", "/api/v1/session", {"token": "x"})).kind == "open"


async def test_a_wrong_token_begins_no_session(tmp_path: Path) -> None:
    """Nor does one that was revoked or has expired."""
    async with house(tmp_path) as at:
        for text in ("tocsin_x", at.texts["revoked"], at.texts["expired"], "\ud800"):
            answer = await at.ask("POST", "/api/v1/session", b'{"token": "%b"}' % text.encode(errors="surrogatepass"))
            assert (answer.status in (400, 401, 422), answer.cookies) == (True, [])
