"""Whatever Apprise can reach, by its URLs. It is an extra: ``pip install 'tocsin[apprise]'``."""

import logging
import threading
from importlib.util import find_spec
from typing import Any

from anyio import CapacityLimiter, to_thread

from contracts.errors import Refused, Unavailable
from contracts.events import NotificationDue, Severity
from contracts.subscribers import AppriseSubscriber

from ..lines import escaped
from .channel import Channel, Surroundings

_KINDS: dict[Severity, str] = {"info": "info", "warning": "warning", "critical": "failure"}
#: Calls that were left alone and have not ended yet.
_MOST_HANGING = 2


class AppriseChannel(Channel):
    """Hands each message to Apprise in a thread: it blocks, and only says whether it worked.

    Its URLs hold tokens and passwords: nothing that it raises or logs is passed on. It goes where its URL says,
    private addresses included. Raises Unavailable without the library.
    """

    def __init__(self, name: str, subscriber: AppriseSubscriber, surroundings: Surroundings) -> None:
        if find_spec("apprise") is None:
            raise Unavailable("Apprise is not installed", mend="Run: pip install 'tocsin[apprise]'")
        self._url = _bounded(subscriber.url.get_secret_value(), subscriber.timeout)
        # Its own: who hangs here takes no thread from anybody else.
        self._threads = CapacityLimiter(1)
        self._lock, self._under_way = threading.Lock(), 0
        self._way: Any = None

    async def send(self, message: NotificationDue) -> str:
        kind = "success" if message.status == "resolved" else _KINDS[message.severity]
        # When time is up it is left alone: its own limits of time end it soon after.
        done = await to_thread.run_sync(self._notify, message, kind, abandon_on_cancel=True, limiter=self._threads)
        if not done:
            raise Unavailable("Apprise says that it did not work, and not why")
        return "done"

    def _notify(self, message: NotificationDue, kind: str) -> bool:
        with self._lock:
            if self._under_way >= _MOST_HANGING:
                raise Unavailable("earlier tries still hang in Apprise")
            self._under_way += 1
        try:
            return self._notified(message, kind)
        finally:
            with self._lock:
                self._under_way -= 1

    def _notified(self, message: NotificationDue, kind: str) -> bool:
        with self._lock:
            self._way = self._way or _made(self._url)
        try:
            return bool(self._way.notify(title=escaped(message.subject), body=message.body, notify_type=kind))
        except Exception as error:  # noqa: BLE001 - any plugin may raise anything, with its URL in the text
            raise Unavailable(f"Apprise failed with {type(error).__name__}") from None


def _made(url: str) -> Any:
    """What notifies this URL. The library reads a hundred modules first, and so belongs into a thread."""
    import apprise

    # It logs URLs, and what servers answered.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    way = apprise.Apprise(asset=apprise.AppriseAsset(app_id="Tocsin", app_desc="Tocsin"))
    try:
        known = way.add(url)
    except Exception as error:  # noqa: BLE001 - as above
        raise Refused(f"Apprise failed to read the URL with {type(error).__name__}") from None
    if not known:
        raise Refused("the URL is none that Apprise knows")
    return way


def _bounded(url: str, timeout_s: float) -> str:
    """The URL with limits of time for connecting and reading, where it does not say its own."""
    if "cto=" in url or "rto=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}cto={timeout_s / 2:g}&rto={timeout_s / 2:g}"
