"""Removing from the log what is archived and nobody needs; the bus itself sees to it that nothing else goes."""

from collections.abc import Collection

from bus.protocol import Place

from ..home import Home, log

#: Events that are removed in one step of the server, which serves nobody else meanwhile. More than any entry has.
_STEP_EVENTS = 100_000
_REMIND_S = 3600.0


class Trimmer:
    """Trims places, and names who holds one back and is not ``configured``: it may do so for ever."""

    def __init__(self, home: Home, configured: Collection[str]) -> None:
        self.home, self.configured = home, configured
        self._gone: dict[Place, int] = {}
        self._remind_after: dict[str, float] = {}

    async def trim(self, place: Place, upto: int) -> None:
        """Remove what may go of the events up to ``upto``."""
        gone = self._gone.get(place, 0)
        while gone < upto:
            found = await self.home.bus.trim(place, min(upto, gone + _STEP_EVENTS))
            if found <= gone:
                break
            gone = found
        self._gone[place] = gone
        if gone < upto:
            await self._remind(place, upto)

    async def _remind(self, place: Place, upto: int) -> None:
        now = self.home.clock.monotonic_s()
        for reader, ordinal in (await self.home.bus.readers(place)).items():
            if ordinal < upto and reader not in self.configured and now >= self._remind_after.get(reader, now):
                self._remind_after[reader] = now + _REMIND_S
                mend = f"if it is gone for good: tocsin retire '{reader}'"
                log.warning("unknown reader holds the log", reader=reader, stream=place.stream, mend=mend)
