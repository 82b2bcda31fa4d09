"""Webhooks on real sockets: receivers that lie, and addresses that must not be reached."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import ByteStream
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from agents.notification.delivery.payload import MOST_BYTES
from agents.notification.delivery.posting import MOST_ANSWER
from agents.notification.delivery.signing import new_secret, signatures
from contracts.errors import Refused, RetryLater, Unavailable
from contracts.subscribers import webhook_key
from tests.integration.delivery.hooks import channel, sent
from tests.integration.delivery.receiver import Receiver, Request, hangs, plain, receiving, resets

# ---------------------------------------------------------------- what is sent


async def test_the_library_of_the_standard_accepts_both_secrets_while_they_change(tmp_path: Path) -> None:
    new, old = new_secret(), new_secret()
    async with receiving() as receiver:
        assert await sent(channel(receiver.url(), tmp_path, secret=new, old_secret=old)) == "200"
    (request,) = receiver.taken
    for secret in (new, old):
        said = Webhook(secret).verify(request.body, request.headers)
        assert (said["type"], said["data"]["key"]) == ("notification.firing", "hook-0")
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(request.body.replace(b"message 0", b"message 1"), request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(request.body, {**request.headers, "webhook-id": "another"})


async def test_every_try_has_the_same_id_and_body(tmp_path: Path) -> None:
    async with receiving(Receiver(answer=plain(500))) as receiver:
        for _ in range(2):
            with pytest.raises(Unavailable):
                await sent(channel(receiver.url(), tmp_path))
    assert [request.name for request in receiver.taken] == ["hook-0", "hook-0"]
    assert receiver.taken[0].body == receiver.taken[1].body


async def test_cloudevents_on_request(tmp_path: Path) -> None:
    async with receiving() as receiver:
        await sent(channel(receiver.url(), tmp_path, envelope="cloudevents", secret=(secret := new_secret())))
    (request,) = receiver.taken
    assert request.headers["content-type"] == "application/cloudevents+json"
    event = Webhook(secret).verify(request.body, request.headers)
    assert (event["specversion"], event["id"], event["data"]["subject"]) == ("1.0", "hook-0", "message 0")


async def test_what_is_sent_is_bounded_and_counts_stay(tmp_path: Path) -> None:
    async with receiving() as receiver:
        await sent(channel(receiver.url(), tmp_path), alerts=3_000)
    data = receiver.taken[0].data
    assert len(receiver.taken[0].body) <= MOST_BYTES
    assert data["firing"] == 3_000 == len(data["alerts"]) + data["alerts_left_out"]
    assert len(data["alerts"]) > 500


def test_what_is_signed_is_what_the_library_of_the_standard_signs() -> None:
    secret, when = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", datetime.fromtimestamp(1_614_265_330, UTC)
    theirs = Webhook(secret).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", when, '{"test": 2432232314}')
    ours = signatures([webhook_key(secret)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert ours == theirs


# ---------------------------------------------------------------- what is answered


@pytest.mark.parametrize(
    ("answer", "error", "word"),
    [
        (plain(204), None, "204"),
        (plain(500), Unavailable, "500"),
        (plain(408), Unavailable, "408"),
        (plain(503, "retry-after: 7"), RetryLater, "503"),
        (plain(429, "retry-after: Wed, 01 Jan 2200 00:00:00 GMT"), RetryLater, "429"),
        (plain(404), Refused, "404"),
        (plain(410), Refused, "410"),
        (plain(302, "location: http://127.0.0.1:1/"), Refused, "302"),
        (hangs, Unavailable, "timeout"),
        (resets, Unavailable, "no answer"),
    ],
)
async def test_an_answer_says_whether_to_try_again(
    answer: Any, error: type[Exception] | None, word: str, tmp_path: Path
) -> None:
    async with receiving(Receiver(answer=answer)) as receiver:
        sending = channel(receiver.url(), tmp_path, timeout=2.0 if answer is hangs else 60.0)
        if error is None:
            assert await sent(sending) == word
        else:
            with pytest.raises(error) as caught:
                await sent(sending)
            assert getattr(caught.value, "answer", None) == word
            if isinstance(caught.value, RetryLater):
                assert caught.value.after_s > 1e9 if word == "429" else caught.value.after_s == 7
    assert len(receiver.taken) == 1, "one request for one try"


async def test_no_redirect_is_followed(tmp_path: Path) -> None:
    async with receiving() as inner:
        async with receiving(Receiver(answer=plain(307, f"location: {inner.url()}"))) as outer:
            with pytest.raises(Refused, match="redirects are not followed"):
                await sent(channel(outer.url(), tmp_path))
        assert (len(outer.taken), inner.connections) == (1, 0)


async def test_ten_megabytes_of_answer_are_not_read(tmp_path: Path) -> None:
    went = 0

    async def floods(request: Request, stream: ByteStream) -> str:
        nonlocal went
        await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n")
        for _ in range(160):
            await stream.send(b"x" * 62_500)
            went += 62_500
        return "200"

    async with receiving(Receiver(answer=floods)) as receiver:
        assert await sent(channel(receiver.url(), tmp_path)) == "200", "the status was there"
    # What the sockets' buffers swallow is not ours to count.
    assert went < 9_000_000
    assert MOST_ANSWER == 65_536


async def test_an_answer_in_drops_takes_no_more_than_its_time(tmp_path: Path) -> None:
    """Headers byte by byte: refused at the limit. A body byte by byte: the status counts, the rest is left."""

    async def slow_head(request: Request, stream: ByteStream) -> str:
        for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 5_000:
            await stream.send(bytes([byte]))
            await anyio.sleep(0.02)
        return "200"

    async def slow_body(request: Request, stream: ByteStream) -> str:
        await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n")
        for _ in range(5_000):
            await stream.send(b"y")
            await anyio.sleep(0.02)
        return "200"

    async with receiving(Receiver(by_path={"/head": slow_head, "/body": slow_body})) as receiver:
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"no answer within 0\.5 s"):
            await sent(channel(receiver.url("/head"), tmp_path, timeout=0.5))
        assert await sent(channel(receiver.url("/body"), tmp_path, timeout=60.0)) == "200"
        assert time.monotonic() - began < 50, "100 s each, if it were read to its end"


@pytest.mark.parametrize(
    "flood",
    [b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n", b"x-more: %s\r\n" % (b"y" * 1_000)],
    ids=["interim answers", "headers"],
)
async def test_endless_headers_end_at_the_limit(flood: bytes, tmp_path: Path) -> None:
    async def endless(request: Request, stream: ByteStream) -> str:
        if flood.startswith(b"x-"):
            await stream.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await stream.send(flood)
            await anyio.lowlevel.checkpoint()

    async with receiving(Receiver(answer=endless)) as receiver:
        with pytest.raises(Unavailable):
            await sent(channel(receiver.url(), tmp_path, timeout=1.0))


async def test_what_is_no_http_is_not_a_success(tmp_path: Path) -> None:
    async def lies(request: Request, stream: ByteStream) -> str:
        await stream.send(b"220 mail ready ESMTP\r\n\r\n")
        return "220"

    async with receiving(Receiver(answer=lies)) as receiver:
        with pytest.raises(Unavailable, match="ended without an answer"):
            await sent(channel(receiver.url(), tmp_path))


async def test_an_answer_that_repeats_the_authorization_is_not_quoted(tmp_path: Path) -> None:
    async def repeats(request: Request, stream: ByteStream) -> str:
        return await plain(
            400, f"x: {request.headers['authorization']}", body=request.headers["authorization"].encode()
        )(request, stream)

    async with receiving(Receiver(answer=repeats)) as receiver:
        with pytest.raises(Refused) as caught:
            await sent(channel(receiver.url(), tmp_path, authorization="Bearer canary-7f"))
    assert receiver.taken[0].headers["authorization"] == "Bearer canary-7f"
    assert "canary" not in repr(caught.value)
