"""The recorded past that a command reads: a log with its archive, and the settings and models that go with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bus.archive import Archive
from bus.history import History, history_of
from bus.redis import open_bus
from bus.saved import Saved
from contracts.settings import Settings

from ..host import Host


@dataclass(frozen=True)
class Record:
    """What happened, and the states that were saved meanwhile; ``identity`` names the log."""

    history: History
    saved: Saved
    identity: str


@asynccontextmanager
async def of_log(settings: Settings, host: Host) -> AsyncIterator[Record]:
    """The log that the settings name, with its archive where there is one."""
    bus = await open_bus(settings, host.url, store_file=host.store_file)
    try:
        history = history_of(settings, bus)
        yield Record(history, Saved(history.archive, bus), bus.identity)
    finally:
        await bus.close()


def of_archive(archive: Archive) -> Record:
    """An archive that stands for itself, without a log."""
    return Record(History(archive, archive), Saved(archive), archive.identity)
