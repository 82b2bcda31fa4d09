"""The body of a request, within limits of size and time."""

import asyncio
import zlib
from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from .refusal import Refused

_DRAIN_S = 5.0
_MOST_NOTED = 80


@dataclass(frozen=True)
class Body:
    """How large a body may be as it is sent, and unpacked; and how long it may take."""

    most_bytes: int
    most_inflated: int
    timeout_s: float

    async def read(self, request: Request) -> bytes:
        """The body, unpacked.

        Raises Refused when it is too large, too slow, cut off, or packed in a way that is not known here.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._read(request)
        except ClientDisconnect as error:
            raise Refused(400, "the connection was closed within the body", "send again") from error
        except TimeoutError as error:
            raise Refused(408, "the body took too long", "send smaller requests") from error

    async def _read(self, request: Request) -> bytes:
        limit = self.most_bytes
        refused = Refused(413, f"the body has over {limit:,} bytes", "send smaller requests")
        declared = request.headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared[:20]) > limit:
            await drained(request, 8 * limit)
            raise refused
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            # Too much is read on, up to a point, but not kept.
            if size <= limit:
                parts.append(part)
            elif size > 8 * limit:
                break
        if size > limit:
            raise refused
        coding = request.headers.get("content-encoding", "identity").lower()
        if coding == "identity":
            return b"".join(parts)
        if coding != "gzip":
            raise Refused(415, f"cannot read the encoding {coding[:_MOST_NOTED]!r}", "send gzip or nothing")
        return _inflated(b"".join(parts), self.most_inflated)


async def drained(request: Request, limit: int) -> None:
    """Read on without keeping anything, up to a point: who is cut off while sending never sees the answer."""
    size = 0
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_DRAIN_S):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    return


def _inflated(data: bytes, limit: int) -> bytes:
    inflate = zlib.decompressobj(wbits=31)
    try:
        out = inflate.decompress(data, limit + 1)
    except zlib.error as error:
        raise Refused(400, f"the body is not gzip: {error}", "send it again") from error
    if len(out) > limit:
        raise Refused(413, f"the body inflates to over {limit:,} bytes", "send smaller requests")
    if not inflate.eof or inflate.unused_data:
        raise Refused(400, "the gzip body is cut, or something follows it", "send it again")
    return out
