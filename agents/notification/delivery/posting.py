"""One POST to an address that was checked, bounded in time and size whatever the receiver does.

No redirect, no proxy, no cookie, one request: what comes back is a status and the first bytes of the answer. The
texts of errors are ours alone: a receiver may answer with what it was sent, and a URL may hold what is secret.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Self

import anyio
import httpx

from contracts.errors import Refused, RetryLater, Unavailable
from contracts.subscribers import Posted

from ...clock import Clock
from .channel import Surroundings, answered
from .safe import Guard, Resolve

#: Of an answer so much is read; the rest is not worth a connection.
MOST_ANSWER = 64 << 10
#: For the body of an answer whose status is known.
_BODY_S = 1.0
_IDLE_S = 4.0
_MOST_URL = 2_048
_RETRIED = frozenset({408, 409, 425, 429})


@dataclass(frozen=True)
class Answer:
    """What a receiver said: the status, the first bytes (as they came, not decoded), and the pause that it asks for."""

    status: int
    body: bytes = b""
    retry_after: str = ""


@dataclass(frozen=True)
class Target:
    """A URL that may be posted to, taken apart once: what is checked is what is connected to."""

    url: httpx.URL
    host: str
    port: int

    @classmethod
    def of(cls, text: str, *, allow_http: bool = False) -> "Target":
        """Raises Refused, without the URL in its text, for one that is not used."""
        try:
            url = httpx.URL(text)
            host = url.raw_host.decode("ascii")
        except (httpx.InvalidURL, TypeError, UnicodeError):
            raise Refused("the URL cannot be read") from None
        if len(text) > _MOST_URL or not text.isprintable() or set(text) & set("\\ "):
            raise Refused("the URL is too long, or holds characters that it must not")
        if url.scheme not in ("https", "http") or not host:
            raise Refused("the URL must begin with https:// and name a host")
        if url.scheme == "http" and not allow_http:
            raise Refused("the URL must begin with https://", mend="For http:// set allow_http.")
        if url.userinfo or "@" in url.netloc.decode("ascii"):
            raise Refused("the URL must not hold a user or a password", mend="Use the setting authorization.")
        return cls(url, host, url.port or (443 if url.scheme == "https" else 80))


class Poster:
    """Posts to one target. Connections are kept for a few seconds, each to an address that was checked."""

    def __init__(self, target: Target, guard: Guard, clock: Clock, *, tls_ca: Path | None = None) -> None:
        """Raises Unavailable when the file of the authority cannot be used."""
        self.target, self.guard, self.clock = target, guard, clock
        try:
            context = ssl.create_default_context(cafile=None if tls_ca is None else str(tls_ca))
        except (OSError, ssl.SSLError):
            raise Unavailable("the file of tls_ca cannot be used") from None
        self._client = httpx.AsyncClient(
            verify=context,
            trust_env=False,
            follow_redirects=False,
            timeout=None,  # noqa: S113 - the whole of it has a limit: see post()
            limits=httpx.Limits(max_connections=4, max_keepalive_connections=1, keepalive_expiry=_IDLE_S),
        )

    @classmethod
    def to(cls, subscriber: Posted, surroundings: Surroundings, resolve: Resolve, path: str = "") -> Self:
        """One for the URL of a subscriber, ``path`` behind it where it is not there.

        Raises Refused for a URL that is not used.
        """
        url = subscriber.url
        if path:
            url = url.rstrip("/")
            url = url if url.endswith(path) else url + path
        return cls(
            Target.of(url, allow_http=subscriber.allow_http),
            Guard.of(subscriber.allow_private, resolve),
            surroundings.clock,
            tls_ca=subscriber.tls_ca and surroundings.data_dir / subscriber.tls_ca,
        )

    async def post(self, body: bytes, headers: Mapping[str, str], *, within_s: float) -> Answer:
        """The answer, whatever its status; the name is resolved anew each time.

        Raises Unavailable when there is none within the time, or when it is no HTTP; Refused for an address that
        must not be connected to.
        """
        try:
            with anyio.fail_after(within_s):
                addresses = await self.guard.addresses(self.target.host, self.target.port)
                return await self._first(addresses, body, headers)
        except TimeoutError:
            raise answered(Unavailable(f"no answer within {within_s:g} s"), "timeout") from None

    async def _first(self, addresses: list[str], body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post to the first address that takes the connection: nothing was sent to those that did not."""
        for number, address in enumerate(addresses, 1):
            try:
                return await self._post(address, body, headers)
            except httpx.ConnectError as error:
                if number == len(addresses):
                    raise answered(Unavailable(_why(error)), "no connection") from None
        raise AssertionError("addresses() gives at least one")

    async def _post(self, address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        target = self.target
        # The address in the URL, the name in Host, in the TLS greeting and in the check of the certificate.
        url = target.url.copy_with(host=address, fragment=None)
        named = {"Host": target.url.netloc.decode("ascii"), "Accept-Encoding": "identity", **headers}
        request = self._client.build_request(
            "POST", url, content=body, headers=named, extensions={"sni_hostname": target.host}
        )
        try:
            response = await self._client.send(request, stream=True)
        except httpx.ConnectError:
            raise
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            text = f"the connection ended without an answer ({type(error).__name__})"
            raise answered(Unavailable(text), "no answer") from None
        try:
            return Answer(response.status_code, await _begin(response), response.headers.get("retry-after", ""))
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(_BODY_S):
                await response.aclose()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


async def _begin(response: httpx.Response) -> bytes:
    """The first bytes. The status is there: what becomes of the body does not change what it means."""
    body = bytearray()
    with anyio.move_on_after(_BODY_S):
        try:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) >= MOST_ANSWER:
                    break
        except httpx.HTTPError:
            pass
    return bytes(body[:MOST_ANSWER])


def _why(error: httpx.ConnectError) -> str:
    """Why there is no connection, without any text of the receiver's."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the receiver's certificate is not accepted: {cause.verify_message}"[:200]
        if isinstance(cause, ssl.SSLError):
            return "TLS could not be agreed on with the receiver"
        cause = cause.__cause__ or cause.__context__
    return "the receiver takes no connection"


def judged(answer: Answer, now_ns: int) -> str:
    """The answer in a word, where it is a success.

    Raises RetryLater or Unavailable where another try may help, and Refused where none can: redirects, too.
    """
    word = str(answer.status)
    if 200 <= answer.status < 300:
        return word
    told = f"the receiver answered {word}"
    if answer.status in _RETRIED or answer.status >= 500:
        pause = pause_s(answer.retry_after, now_ns)
        if pause is not None:
            raise answered(RetryLater(told, after_s=pause), word)
        raise answered(Unavailable(told), word)
    if 300 <= answer.status < 400:
        raise answered(Refused(f"{told}: redirects are not followed", mend="Name the final URL."), word)
    raise answered(Refused(told), word)


def pause_s(text: str, now_ns: int) -> float | None:
    """Seconds that a Retry-After asks for, as a number or as a date (RFC 9110, 10.2.3); None where it says nothing."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.fromtimestamp(now_ns / 1e9, UTC)).total_seconds())
