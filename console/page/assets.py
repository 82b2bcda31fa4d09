"""Scripts and styles of the page: read once, packed once, kept by browsers for ever."""

import gzip
import hashlib
from functools import cached_property
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

FOLDER = Path(__file__).parent / "assets"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
#: What a browser may keep: the address changes with the content.
_KEPT = "public, max-age=31536000, immutable"


class Assets:
    """The ASGI application that answers below ``prefix``."""

    @cached_property
    def _files(self) -> dict[str, bytes]:
        found = sorted(path for path in FOLDER.rglob("*") if path.suffix in TYPES)
        return {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in found}

    @cached_property
    def _packed(self) -> dict[str, bytes]:
        return {name: gzip.compress(data, mtime=0) for name, data in self._files.items()}

    @cached_property
    def prefix(self) -> str:
        """The path that all of them begin with; another one when any of them changes."""
        digest = hashlib.blake2b(digest_size=8)
        for name, data in self._files.items():
            digest.update(f"{name}:{len(data)}:".encode() + data)
        return f"/static/{digest.hexdigest()}"

    @property
    def packed_bytes(self) -> int:
        """The size of all of them as they are sent."""
        return sum(map(len, self._packed.values()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        name = scope["path"].removeprefix(f"{self.prefix}/")
        data = self._files.get(name)
        if data is None or scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("nothing is here", 404)
        headers = {"Cache-Control": _KEPT, "Vary": "Accept-Encoding"}
        if "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            data, headers["Content-Encoding"] = self._packed[name], "gzip"
        return Response(data, headers=headers, media_type=TYPES[Path(name).suffix])
