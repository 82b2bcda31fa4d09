"""Requests that are not what they seem: other spellings of a path, bodies that grow, names that lead out."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.callers import house

SILENCE = {"matchers": ['asset="pump-1"'], "for_s": 60}
#: Nine times nine times nine ...: 387 million values in 300 characters.
ALIASES = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "path",
    [
        *("//api/v1/silences", "/api//v1/silences", "/api/v1/./silences", "/api/v1/alerts/../silences"),
        *("/API/v1/silences", "/api/v1/silences/", "/api/v1/silences;x", "/api/v1/silences\x00", "/api/v1/silences\n"),
        *("/sign-in/../api/v1/silences", "/static/../api/v1/silences", "http://localhost/api/v1/silences"),
    ],
)
async def test_no_other_spelling_of_a_path_leads_past_its_role(tmp_path: Path, path: str) -> None:
    """Neither for a change by somebody who may only look, nor for a look by nobody."""
    async with house(tmp_path) as at:
        for method in ("POST", "PUT", "post", "HEAD", "OPTIONS"):
            answer = await at.ask(method, path, SILENCE, **at.bearer("viewer"))
            assert answer.status >= 300, method
        nobody = await at.ask("GET", path)
        # Sent to sign in, told that a token is missing, or that nothing is there.
        assert nobody.status in (303, 401, 404)
        assert "silences" not in nobody.body.decode()


async def test_a_method_is_the_one_that_was_sent(tmp_path: Path) -> None:
    """Whatever a header or a query says of another."""
    async with house(tmp_path) as at:
        said = {"x_http_method_override": "GET", "x_http_method": "GET"}
        assert (
            await at.ask("POST", "/api/v1/silences?_method=GET", SILENCE, **said, **at.bearer("viewer"))
        ).status == 403
        assert (await at.ask("GET", "/api/v1/session", x_http_method_override="DELETE")).status == 200


BODIES: list[tuple[str, Any, dict[str, str]]] = [
    ("/api/v1/silences", b"[" * 100_000 + b"]" * 100_000, {}),
    ("/api/v1/silences", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, {}),
    ("/api/v1/silences", b'{"for_s":' + b"9" * 500_000 + b"}", {}),
    ("/api/v1/silences", b'{"matchers": ["a=1"], "for_s": NaN}', {}),
    ("/api/v1/silences", b'{"for_s": 1, "for_s": 2, "matchers": ["a=1"]}', {}),
    ("/api/v1/silences", b'{"matchers": ["a=1"], "for_s": 1, "comment": "\\ud800"}', {}),
    ("/api/v1/silences", {**SILENCE, "comment": "a\r\nSet-Cookie: a=b"}, {}),
    ("/api/v1/silences", gzip.compress(b" " * 50_000_000, 9), {"content_encoding": "gzip"}),
    ("/api/v1/replays", {"changes": ALIASES}, {}),
    ("/api/v1/replays", {"changes": "a: " + "[" * 5_000}, {}),
    ("/api/v1/replays", {"changes": "anomaly: &x {threshold: *x}"}, {}),
    ("/api/v1/replays", {"changes": "anomaly: !!python/object/apply:os.system [id]"}, {}),
]


@pytest.mark.parametrize(("path", "body", "headers"), BODIES)
async def test_a_body_that_grows_or_hides_something_is_refused(
    tmp_path: Path, path: str, body: Any, headers: dict[str, str]
) -> None:
    """Before it has grown; and none is a fault of ours."""
    async with house(tmp_path) as at:
        answer = await at.ask("POST", path, body, **headers, **at.bearer("operator"))
        assert answer.status in (400, 413, 422), answer.body[:200]
        assert b"silences" not in answer.body
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/api/v1/replays/../../tokens.json",
            "/api/v1/replays/20261121-000000-aaaaaa\n",
            "/api/v1/replays/..%2f..%2f",
        ),
        *("/replays/../tokens", "/models/../../secrets/session.key", "/api/v1/models/../versions"),
        *("/static/../../pyproject.toml", "/static/x/../../api.py", "/subscribers/..", "/streams/letters/../../x"),
    ],
)
async def test_a_name_in_a_path_leads_to_no_file(tmp_path: Path, path: str) -> None:
    """An id is looked up, or has a form; an address of scripts is one of a list."""
    async with house(tmp_path) as at:
        answer = await at.ask("GET", path, **at.bearer("admin"))
        assert answer.status == 404
        assert b"hash" not in answer.body


@pytest.mark.parametrize("path", ["/lineage?what=%0d%0aSet-Cookie:%20a=b", "/sign-in?next=/%0d%0aSet-Cookie:%20a=b"])
async def test_no_text_from_outside_becomes_a_header(tmp_path: Path, path: str) -> None:
    """A line end in an address is written as one, or not at all."""
    async with house(tmp_path) as at:
        answer = await at.ask("GET", path, **at.bearer("viewer"))
        assert answer.status == 303
        assert "set-cookie" not in answer.headers
        assert answer.headers["location"].isprintable()
