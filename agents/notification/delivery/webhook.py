"""A POST of JSON, signed as Standard Webhooks say."""

from contracts.events import NotificationDue
from contracts.subscribers import WebhookSubscriber, webhook_key

from ..lines import one_line
from .channel import Channel, Surroundings
from .cloudevents import CONTENT_TYPE
from .payload import bounded, payload
from .posting import Poster, judged
from .safe import Resolve, system
from .signing import signatures


class WebhookChannel(Channel):
    """Posts to one URL. The same notification has the same ``webhook-id`` at every try."""

    def __init__(
        self, name: str, subscriber: WebhookSubscriber, surroundings: Surroundings, resolve: Resolve = system
    ) -> None:
        self.name, self.subscriber, self._clock = name, subscriber, surroundings.clock
        held = (subscriber.secret, subscriber.old_secret)
        self._keys = [webhook_key(secret.get_secret_value()) for secret in held if secret is not None]
        self._poster = Poster.to(subscriber, surroundings, resolve)

    async def send(self, message: NotificationDue) -> str:
        now = self._clock.wall_ns()
        body, kind = self._body(message)
        headers = {
            "Content-Type": kind,
            "User-Agent": "Tocsin",
            "webhook-id": message.key,
            "webhook-timestamp": str(now // 1_000_000_000),
        }
        if self._keys:
            headers["webhook-signature"] = signatures(self._keys, message.key, now // 1_000_000_000, body)
        if self.subscriber.authorization is not None:
            headers["Authorization"] = self.subscriber.authorization.get_secret_value()
        answer = await self._poster.post(body, headers, within_s=self.subscriber.timeout)
        return judged(answer, self._clock.wall_ns())

    def _body(self, message: NotificationDue) -> tuple[bytes, str]:
        """The body, and its content type; plain, as Standard Webhooks advise: type, timestamp and data."""
        if self.subscriber.envelope == "cloudevents":
            return payload(message, "cloudevents").encode(), CONTENT_TYPE
        data = bounded(message)
        kind = f"notification.{message.status or message.why or 'due'}"
        return one_line({"type": kind, "timestamp": data["time"], "data": data}).encode(), "application/json"

    async def close(self) -> None:
        await self._poster.close()
