"""A line of JSON in a file, each once."""

import anyio
from anyio import to_thread

from contracts.errors import ConfigError, Unavailable
from contracts.events import NotificationDue
from contracts.subscribers import FileSubscriber

from ...parts import Context
from ..file import FileSink
from .channel import Channel, Surroundings
from .payload import payload


class FileChannel(Channel):
    """What the sink of this kind does, for a subscriber.

    Raises ValueError where the path cannot be one.
    """

    def __init__(self, name: str, subscriber: FileSubscriber, surroundings: Surroundings) -> None:
        sink = FileSink(path=subscriber.path)
        if subscriber.envelope == "cloudevents":
            sink = sink.writing(lambda message: payload(message, "cloudevents"))
        self._sink, self._context = sink, Context(name, surroundings.data_dir)
        self._ready, self._first = False, anyio.Lock()

    async def send(self, message: NotificationDue) -> str:
        try:
            async with self._first:
                if not self._ready:
                    # It reads the end of the file.
                    await to_thread.run_sync(self._sink.prepare, self._context)
                    self._ready = True
            await self._sink.deliver(message)
        except ConfigError as error:
            raise Unavailable(str(error)) from error
        except OSError as error:
            raise Unavailable(f"cannot write to {self._sink.path}: {error.strerror}") from error
        return "written"
