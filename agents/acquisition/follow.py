"""A growing CSV file, read as it is written."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import anyio
import anyio.to_thread
from pydantic import Field

from ..parts import Harvest
from .tablesource import TableSource, resumed


class Follow(TableSource):
    """Follows a CSV file like ``tail -F``: waits for whole lines, and survives truncation and rotation.

    The position of a reading is the number of its row, counted on through truncations and rotations. Content that
    begins without a header (as after ``copytruncate``) has the header from before. UTF-8 only.
    """

    kind: Literal["follow"] = "follow"
    path: Path = Field(description="the file; it need not be there yet")
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(default=None, description="empty: found by itself")
    poll_s: float = Field(default=0.5, gt=0, description="pause before looking again when nothing is new")

    async def harvests(self, name: str, resume: str | None) -> AsyncIterator[Harvest]:
        from .tail import Tail

        tail = Tail(self, name, resumed(resume, name) if resume is not None else None)
        try:
            while True:
                found = await anyio.to_thread.run_sync(tail.poll)
                if found is None:
                    await anyio.sleep(self.poll_s)
                    continue
                for harvest in found:
                    yield harvest
        finally:
            tail.close()
