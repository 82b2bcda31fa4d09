"""``/api/v1/streams``."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..streams.streams import Streams
from .answering import answer, answering
from .messages.streams import StreamsNow


class StreamsApi:
    """The route."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def routes(self) -> list[Route]:
        """For the application."""
        return [Route("/api/v1/streams", answering(self.now), methods=["GET"])]

    async def now(self, _: Request) -> Response:
        """How the streams are."""
        return answer(StreamsNow.model_validate(await self._streams.now()))
