"""Requests that no caller of ours sends: of other sites, by other names, too many, too long, without a token."""

from pathlib import Path

import pytest

from console.access.headers import POLICY
from console.access.rates import Rates
from contracts.settings import ApiSettings
from tests.callers import House, house


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8091", "localhost.evil.example", "", "127.0.0.1@evil.example"),
        *(
            "evil@localhost",
            "localhost/evil",
            "localhost#evil",
            "local\thost",
            "127.1",
            "2130706433",
            "[::ffff:127.0.0.1]",
        ),
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/v1/alerts", "/sign-in", "/static/x.js"])
async def test_a_rebound_name_reaches_nothing(tmp_path: Path, host: str, path: str) -> None:
    """A page whose name was made to point at this machine is told nothing, not even where to sign in."""
    async with house(tmp_path, tokens=False) as at:
        assert (await at.ask("GET", path, host=host)).status == 421
        assert (await at.ask("POST", "/api/v1/silences", {}, host=host)).status == 421


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "null", "http://localhost.evil.example", "file://", "http://[", "localhost"),
        # Another port is another page: cookies do not tell them apart, and WebSocket sends no Sec-Fetch-Site.
        *("http://localhost:3000", "https://localhost:8443", "http://127.0.0.1"),
    ],
)
async def test_a_page_of_another_site_changes_nothing(tmp_path: Path, origin: str) -> None:
    """Also where no token is needed, and by WebSocket."""
    async with house(tmp_path, tokens=False) as at:
        assert (await at.ask("POST", "/api/v1/silences", {}, origin=origin)).status == 403
        assert (await at.ask("WEBSOCKET", "/api/v1/events/ws", origin=origin)).status == 403


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("LocalHost.:8091", "http://localhost:8091", 200),
        ("[::1]:8091", "http://[::1]:8091", 200),
        ("tocsin.lan", "https://tocsin.lan:8443", 200),
        ("127.0.0.1:8091", "https://tocsin.lan", 200),
        ("tocsin.lan:8091", "http://tocsin.lan:3000", 403),
        ("tocsin.lan", "http://localhost", 403),
    ],
)
async def test_a_page_is_ours_by_name_and_port(tmp_path: Path, host: str, origin: str, status: int) -> None:
    """A proxy may have another port, or call us by another name."""
    async with house(tmp_path, tokens=False, allowed_hosts=["tocsin.lan"]) as at:
        assert (await at.ask("GET", "/api/v1/session", host=host, origin=origin)).status == status


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_a_browser_says_of_where_a_request_comes_from_counts(tmp_path: Path, site: str) -> None:
    """Also without an Origin, and from another port of the same host; a link that somebody follows is let through."""
    async with house(tmp_path, tokens=False) as at:
        assert (await at.ask("GET", "/api/v1/session", sec_fetch_site=site)).status == 403
        ask = {"sec_fetch_site": site, "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"}
        assert (await at.ask("GET", "/", **ask)).status == 403
        link = {"sec_fetch_site": site, "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
        assert (await at.ask("GET", "/api/v1/session", **link)).status == 200
        assert (await at.ask("POST", "/api/v1/silences", {}, **link)).status == 403
        frame = {"sec_fetch_site": site, "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"}
        assert (await at.ask("GET", "/", **frame)).status == 403
        assert (await at.ask("GET", "/api/v1/session", sec_fetch_site="same-origin")).status == 200
        assert (await at.ask("GET", "/api/v1/session", sec_fetch_site="none")).status == 200


async def every_kind(at: House) -> dict[str, dict[str, str]]:
    """The headers of an answer of each kind."""
    script = at.application.page.assets.prefix + "/app.js"
    asked = {
        "view": ("GET", "/sign-in", {}), "redirect": ("GET", "/", {}), "refused": ("GET", "/api/v1/alerts", {}),
        "role": ("POST", "/api/v1/silences", at.bearer("viewer")), "json": ("GET", "/api/v1/session", {}),
        "stream": ("GET", "/api/v1/events", at.bearer("viewer")), "nothing": ("GET", "/api/v1/no", at.bearer("viewer")),
        "host": ("GET", "/", {"host": "evil.example"}), "static": ("GET", script, {}),
        "socket": ("WEBSOCKET", "/api/v1/events/ws", {}),
    }  # fmt: skip
    return {name: (await at.ask(method, path, None, **more)).headers for name, (method, path, more) in asked.items()}


async def test_every_answer_carries_the_headers_that_protect_who_reads_it(tmp_path: Path) -> None:
    """Views, redirects, refusals, streams, scripts; and nothing but scripts and styles is kept by anybody."""
    async with house(tmp_path) as at:
        for name, headers in (await every_kind(at)).items():
            assert headers["content-security-policy"] == POLICY, name
            assert headers["x-content-type-options"] == "nosniff", name
            assert headers["x-frame-options"] == "DENY", name
            assert headers["referrer-policy"] == "same-origin", name
            assert headers["cross-origin-opener-policy"] == "same-origin", name
            assert headers["cross-origin-resource-policy"] == "same-origin", name
            kept = "public, max-age=31536000, immutable" if name == "static" else "no-store"
            assert headers["cache-control"] == kept, name
            assert len(headers["x-request-id"]) == 16, name


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    """No frame either."""
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert (rules["default-src"], rules["frame-ancestors"], rules["base-uri"]) == ("'none'", "'none'", "'none'")
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in POLICY
    assert "*" not in POLICY


async def test_no_two_requests_have_the_same_id(tmp_path: Path) -> None:
    """And it is ours, whatever the client says."""
    async with house(tmp_path, tokens=False) as at:
        answers = [await at.ask("GET", "/api/v1/session", x_request_id="mine") for _ in range(20)]
        assert len({answer.headers["x-request-id"] for answer in answers} - {"mine"}) == 20


async def test_an_address_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """Before anything reads it."""
    async with house(tmp_path, tokens=False) as at:
        assert (await at.ask("GET", "/api/v1/alerts?match=" + "x" * 8_000)).status != 414
        assert (await at.ask("GET", "/api/v1/alerts?match=" + "x" * 8_200)).status == 414


async def test_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    """Each token by itself, and callers without one by their address; scripts and styles are not counted."""
    async with house(tmp_path, requests_per_minute=60) as at:
        for _ in range(60):
            assert (await at.ask("GET", "/api/v1/session", **at.bearer("viewer"))).status == 200
        answer = await at.ask("GET", "/api/v1/session", **at.bearer("viewer"))
        assert (answer.status, answer.kind, answer.headers["retry-after"]) == (429, "rate", "1")
        assert (await at.ask("GET", "/api/v1/session", **at.bearer("admin"))).status == 200
        assert (await at.ask("GET", "/api/v1/session")).status == 200
        assert (await at.ask("GET", at.application.page.assets.prefix + "/app.js")).status == 200
        at.time.move(1.0)
        assert (await at.ask("GET", "/api/v1/session", **at.bearer("viewer"))).status == 200
        assert (await at.ask("GET", "/api/v1/session", **at.bearer("viewer"))).status == 429


async def test_streams_that_come_back_all_at_once_are_not_too_many(tmp_path: Path) -> None:
    """As after a restart: a browser that gets 429 would not come back again."""
    async with house(tmp_path, requests_per_minute=5, subscribers=50) as at:
        answers = [await at.ask("HEAD", "/api/v1/events", **at.bearer("viewer")) for _ in range(50)]
        assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize("by", ["header", "sign-in"])
async def test_guessing_tokens_is_slowed_down_and_a_right_one_is_not(tmp_path: Path, by: str) -> None:
    """Ten wrong ones in a minute from an address; others behind the same address go on."""
    async with house(tmp_path) as at:

        async def tries(text: str) -> int:
            if by == "header":
                return (await at.ask("GET", "/api/v1/session", authorization=f"Bearer {text}")).status
            return (await at.ask("POST", "/api/v1/session", {"token": text})).status

        assert [await tries(f"wrong {number}") for number in range(12)] == [401] * 10 + [429] * 2
        assert await tries(at.texts["viewer"]) == 200
        at.time.move(6.1)
        assert [await tries("wrong"), await tries("wrong")] == [401, 429]


def test_the_memory_of_rates_has_an_end() -> None:
    """However many addresses ask."""
    rates = Rates(1, 1, lambda: 0.0)
    for number in range(30_000):
        rates.take(str(number))
    assert len(rates._left) == 10_000
    assert rates.take("29999") == 1.0


async def test_a_body_over_the_limit_is_refused(tmp_path: Path) -> None:
    """One MiB where the settings say nothing."""
    async with house(tmp_path) as at:
        answer = await at.ask("POST", "/api/v1/silences", b" " * (2**20 + 1), **at.bearer("operator"))
        assert answer.status == 413


def test_limits_are_what_the_documents_say_where_nobody_set_them() -> None:
    """A body of 1 MiB, 30 seconds for a header and for a body, 1,200 requests in a minute."""
    found = ApiSettings()
    assert (found.max_body_bytes, found.header_timeout_s, found.body_timeout_s) == (2**20, 30.0, 30.0)
    assert found.requests_per_minute == 1_200
