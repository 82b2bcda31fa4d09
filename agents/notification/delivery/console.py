"""A line on standard output of the process that delivers."""

from contracts.events import NotificationDue
from contracts.subscribers import ConsoleSubscriber

from ..console import ConsoleSink
from .channel import Channel, Surroundings


class ConsoleChannel(Channel):
    """What the sink of this kind does, for a subscriber."""

    def __init__(self, name: str, subscriber: ConsoleSubscriber, surroundings: Surroundings) -> None:
        self._sink = ConsoleSink(as_json=subscriber.as_json)

    async def send(self, message: NotificationDue) -> str:
        await self._sink.deliver(message)
        return "shown"
