"""A stream of JSON on the server of the log, for programs in any language."""

from contracts.errors import Refused
from contracts.events import NotificationDue
from contracts.subscribers import StreamSubscriber

from .channel import Channel, Surroundings
from .payload import payload


class StreamChannel(Channel):
    """Puts each message into the subscriber's stream once; see ``bus.protocol.Feeds``.

    Raises Refused without a log.
    """

    def __init__(self, name: str, subscriber: StreamSubscriber, surroundings: Surroundings) -> None:
        if surroundings.bus is None:
            raise Refused("a subscriber of kind stream needs the log's server")
        self._name, self._subscriber, self._bus = name, subscriber, surroundings.bus

    async def send(self, message: NotificationDue) -> str:
        fields = {"key": message.key, "data": payload(message, self._subscriber.envelope)}
        new = await self._bus.feed(self._name, message.key, fields, most=self._subscriber.most)
        return "added" if new else "known"
