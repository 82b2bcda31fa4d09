"""Keeps the index of alerts at the end of the log, so that a question about one need not read what came since."""

from collections.abc import Sequence

import structlog
from pydantic import Field, PrivateAttr

from contracts.events import Event

from ..parts import Chore, Context, Log
from .desk import Desk
from .index import kept

logger = structlog.get_logger()


class Indexer(Chore):
    """Reads findings, receipts and versions into the index. It asks the log alone, so it goes on without MLflow."""

    every_s: float = Field(default=5.0, gt=0, description="pause between two looks")
    _desk: Desk = PrivateAttr()

    def prepare(self, context: Context) -> None:
        """Remember where the index is."""
        self._desk = Desk(None, context.data_dir)

    async def tend(self, log: Log) -> Sequence[Event]:
        """Bring the index to the end of the log. Raises Unavailable when the log or the disk does not answer."""
        index = await kept(self._desk.data_dir, log.recorded, self._desk.log_name(), _warn)
        index.close()
        return []


def _warn(text: str) -> None:
    logger.warning("index of alerts", cause=text)
