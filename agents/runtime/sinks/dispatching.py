"""Which delivery is begun next: a bounded number at a time, and no destination in the way of another.

Deliveries to one named destination come one after the other; those to none in particular run side by side. A
destination that failed waits, longer each time, and all such together get half of the slots at most: those that work
find a free one. Where the order counts, what failed is tried again before what is behind it.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import anyio
from anyio.abc import TaskGroup

from bus.retry import Backoff

from ..home import Home
from .parcels import Opened, Parcel

#: Events that wait for one destination that does not get on; more of them stay on the server.
MOST_JAMMED = 64
#: With fewer events to begin than this, new ones are fetched.
_LOW = 16
_MOST_BYTES = 64 << 20
_MOST_JAMMED_BYTES = 4 << 20
#: A delivery to a named destination that takes longer is no longer waited for by those who fetch.
_SLOW_S = 0.5
#: Destinations that failed last and have nothing waiting are remembered, so many at most.
_MOST_IDLE = 1_000


@dataclass(eq=False)
class _Queue:
    """What waits for one destination."""

    name: str
    backoff: Backoff
    ordered: bool = False
    waiting: deque[Parcel] = field(default_factory=deque)
    running: int = 0
    since: float = 0.0
    failed: bool = False
    due: float = 0.0

    def next(self, now: float, *, trusted: bool = False) -> Parcel | None:
        """The oldest that may be begun now; ``trusted``: of those that no process died of."""
        if now < self.due or (self.name and self.running):
            return None
        among = islice(self.waiting, 1) if self.ordered else self.waiting
        fit = (parcel for parcel in among if parcel.due <= now and not (trusted and parcel.opened.crashes))
        return next(fit, None)

    def put(self, parcel: Parcel) -> None:
        """Let a parcel wait: behind all others, or, where the order counts, before those that come after it."""
        behind = len(self.waiting)
        if self.ordered:
            while behind and parcel.precedes(self.waiting[behind - 1]):
                behind -= 1
        self.waiting.insert(behind, parcel)

    def jammed(self, now: float) -> bool:
        """Whether it does not get on."""
        if self.name and self.running:
            return now - self.since > _SLOW_S or self.failed
        return bool(self.waiting) and self.next(now) is None


class Result(NamedTuple):
    """How a delivery ended: whether its destination works, and how long that asked not to be bothered."""

    works: bool
    again: bool = False
    pause_s: float = 0.0


class Dispatcher:
    """Begins deliveries as slots become free."""

    def __init__(
        self,
        home: Home,
        slots: int,
        deliver: Callable[[Parcel], Awaitable[Result]],
        *,
        ordered: bool = False,
        may_begin: Callable[[], bool] = lambda: True,
    ) -> None:
        self.home, self.slots, self._deliver = home, slots, deliver
        self._ordered, self._may_begin = ordered, may_begin
        self.running: set[Parcel] = set()
        self.bytes = 0
        self._queues: dict[str, _Queue] = {}
        self._changed = anyio.Event()
        self._closed = False

    def add(self, opened: Opened) -> None:
        """Take the events of an entry."""
        self.bytes += opened.size
        for parcel in opened.parcels:
            self._queue(parcel.destination).put(parcel)

    def remove(self, opened: Opened) -> None:
        """Forget an entry; what of it is under way comes to its end."""
        self.bytes -= opened.size
        for parcel in opened.parcels:
            queue = self._queues.get(parcel.destination)
            if queue is not None and parcel in queue.waiting:
                queue.waiting.remove(parcel)

    def _queue(self, name: str) -> _Queue:
        if name not in self._queues:
            settings = self.home.settings
            backoff = Backoff(settings.backoff_s, settings.backoff_max_s)
            self._queues[name] = _Queue(name, backoff, ordered=self._ordered and bool(name))
        return self._queues[name]

    # ---- how much

    def takes(self, destination: str) -> bool:
        """Whether one more event for a destination may be kept in hand."""
        queue = self._queues.get(destination)
        if queue is None or not queue.jammed(self.home.clock.monotonic_s()):
            return True
        size = sum(parcel.opened.size for parcel in queue.waiting)
        return len(queue.waiting) < MOST_JAMMED and size < _MOST_JAMMED_BYTES

    def drained(self, destination: str) -> bool:
        """Whether a destination got through half of what was in hand for it."""
        queue = self._queues.get(destination)
        return queue is None or len(queue.waiting) < MOST_JAMMED // 2

    @property
    def hungry(self) -> bool:
        """Whether more should be fetched."""
        now = self.home.clock.monotonic_s()
        ready = sum(len(queue.waiting) for queue in self._queues.values() if not queue.jammed(now))
        return ready < _LOW and self.bytes < _MOST_BYTES

    def next_due_s(self, most: float) -> float:
        """How long until something that waits for its time may be begun."""
        now = self.home.clock.monotonic_s()
        dues = [max(queue.due, parcel.due) for queue in self._queues.values() for parcel in queue.waiting]
        return min([most, *(max(due - now, 0.001) for due in dues if due > now)])

    # ---- work

    def start(self, group: TaskGroup) -> None:
        """Begin as much as there are slots for."""
        now, most = self.home.clock.monotonic_s(), max(1, self.slots // 2)
        begun = True
        while begun and not self._closed and self._may_begin():
            begun = False
            # Round and round, one of each: a destination with much to deliver is not served before the others.
            for queue in list(self._queues.values()):
                if len(self.running) >= self.slots:
                    return
                troubled = sum(self._queues[parcel.destination].failed for parcel in self.running)
                if queue.failed and troubled >= most:
                    continue
                # Of those that a process may have died of one at a time: if it happens again, it was that one.
                parcel = queue.next(now, trusted=any(other.opened.crashes for other in self.running))
                if parcel is None:
                    continue
                queue.waiting.remove(parcel)
                queue.running, queue.since = queue.running + 1, now
                self.running.add(parcel)
                group.start_soon(self._run, parcel, queue, group)
                begun = True

    async def _run(self, parcel: Parcel, queue: _Queue, group: TaskGroup) -> None:
        result: Result | None = None
        try:
            result = await self._deliver(parcel)
        finally:
            self.running.discard(parcel)
            queue.running -= 1
            if result is None:
                # Cut off: it is still to be delivered.
                queue.waiting.appendleft(parcel)
            self._changed.set()
        if result.again:
            queue.put(parcel)
        if queue.name:
            queue.failed = not result.works
            if result.works:
                queue.backoff.reset()
            else:
                queue.due = self.home.clock.monotonic_s() + max(result.pause_s, queue.backoff.pause())
        self._tidy()
        self.start(group)

    def _tidy(self) -> None:
        """Forget destinations of which nothing is to be remembered."""
        now = self.home.clock.monotonic_s()
        idle = [name for name, queue in self._queues.items() if not queue.waiting and not queue.running]
        for name in idle:
            if not self._queues[name].failed or (len(idle) > _MOST_IDLE and now > self._queues[name].due):
                del self._queues[name]

    async def changed(self, wait_s: float) -> None:
        """Wait until a delivery ends, or so long."""
        with anyio.move_on_after(wait_s):
            await self._changed.wait()
        self._changed = anyio.Event()

    async def finish(self, within_s: float) -> None:
        """Begin nothing any more, and wait for what is under way."""
        self._closed = True
        with anyio.move_on_after(within_s):
            while self.running:
                await self.changed(within_s)

    def reopen(self) -> None:
        """Begin again after ``finish``, or after a failure."""
        self._closed = False
