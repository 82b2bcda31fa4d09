"""Where pushed requests wait until they are in the log, and the answers of the last ones."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from ..web.refusal import Refused
from .entries import Entry

KEPT_KEYS = 10_000
#: Nobody took a request for so long: the log is full, or not there. Senders are told so at once.
STALL_S = 3.0


@dataclass(frozen=True)
class Answer:
    """What became of a request: how many readings came in, and how many of them had no value."""

    accepted: int
    rejected: int
    rejections: tuple[dict[str, str | int], ...] = ()


@dataclass(eq=False)
class Request:
    """One request on its way. ``settled`` may be called from any thread."""

    entries: Sequence[Entry]
    key: str
    body: str
    answer: "asyncio.Future[Answer]"
    result: Answer | None = field(default=None)
    taken: bool = field(default=False)


class Intake:
    """A bounded queue of requests, with the answers to the ones that are in the log."""

    def __init__(self, limit: int, most_readings: int) -> None:
        self._queue: asyncio.Queue[Request] = asyncio.Queue(limit)
        self._most_readings = most_readings
        self._readings = 0
        self._waiting: dict[str, Request] = {}
        self._done: OrderedDict[str, tuple[str, Answer]] = OrderedDict()
        self._open: set[Request] = set()
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._away_since: float | None = None

    async def submit(self, entries: Sequence[Entry], key: str, body: bytes, patience_s: float) -> tuple[Answer, bool]:
        """The answer once the readings are in the log, and whether an earlier request had brought them.

        Raises Refused when they could not be put there, or nobody can say so in time.
        """
        name = blake2b(key.encode(), digest_size=12).hexdigest() if key else ""
        content = blake2b(body, digest_size=6).hexdigest()
        if known := self._done.get(name):
            _same(known[0], content)
            return known[1], True
        repeated = name in self._waiting
        if repeated:
            request = self._waiting[name]
            _same(request.body, content)
        else:
            request = self._put(Request(entries, name, content, self._loop.create_future()))
        try:
            async with asyncio.timeout(patience_s):
                while not (await asyncio.wait([request.answer], timeout=STALL_S / 2))[0]:
                    self._give_up(request)
                return request.answer.result(), repeated
        except TimeoutError as error:
            raise _later("the readings are not in the log yet", "send again with the same Idempotency-Key") from error

    async def next(self) -> Request:
        """The request that has waited longest."""
        self._away_since = None
        try:
            while True:
                request = await self._queue.get()
                self._readings -= len(request.entries)
                if not request.answer.done():
                    request.taken = True
                    return request
        finally:
            self._away_since = self._loop.time()

    def recall(self, keys: Sequence[tuple[str, str, int, int]]) -> None:
        """Take up the answers that an earlier run gave."""
        for key, body, accepted, rejected in keys:
            self._done[key] = body, Answer(accepted, rejected)

    def kept(self, limit: int) -> list[tuple[str, str, int, int]]:
        """The last answers, for ``recall``."""
        last = list(self._done.items())[-limit:] if limit else []
        return [(key, body, answer.accepted, answer.rejected) for key, (body, answer) in last]

    def settle(self, request: Request, error: BaseException | None) -> None:
        """Say what became of a request; from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._settle, request, error)

    def close(self) -> None:
        """Nobody reads any more: every open request is told so."""
        self._closed = True
        for request in list(self._open):
            self._settle(request, RuntimeError("the source stopped"))

    @property
    def stalled(self) -> bool:
        """Whether requests wait, and nobody comes for them."""
        return self._away_since is not None and self._loop.time() - self._away_since > STALL_S

    def _give_up(self, request: Request) -> None:
        """Turn a request away that nobody comes for; one that is on its way into the log is waited for."""
        if self.stalled and not request.taken and not request.answer.done():
            self._open.discard(request)
            self._waiting.pop(request.key, None)
            request.answer.set_exception(_later("the log takes no readings at the moment"))

    def _put(self, request: Request) -> Request:
        if self._closed:
            raise _later("the source is stopping")
        if self.stalled:
            raise _later("the log takes no readings at the moment")
        # A single request is taken however large it is; its size was checked.
        if self._queue.full() or (self._readings and self._readings + len(request.entries) > self._most_readings):
            raise _later("too many requests wait for the log")
        self._queue.put_nowait(request)
        self._readings += len(request.entries)
        self._open.add(request)
        if request.key:
            self._waiting[request.key] = request
        # Nobody may be waiting any more when the answer comes.
        request.answer.add_done_callback(lambda future: future.cancelled() or future.exception())
        return request

    def _settle(self, request: Request, error: BaseException | None) -> None:
        self._open.discard(request)
        self._waiting.pop(request.key, None)
        if request.answer.done():
            return
        if error is not None or request.result is None:
            request.answer.set_exception(_later(f"the readings could not be put into the log: {error}"))
            return
        if request.key:
            self._done[request.key] = request.body, request.result
            while len(self._done) > KEPT_KEYS:
                self._done.popitem(last=False)
        request.answer.set_result(request.result)


def _same(known: str, content: str) -> None:
    if known != content:
        raise Refused(422, "this Idempotency-Key came with another body before", "use a new key for every new request")


def _later(error: str, mend: str = "send again later, with the same Idempotency-Key") -> Refused:
    return Refused(503, error, mend)
