"""The processor of alerts: a pure function of the stream that findings, people and the time come together in."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import PrivateAttr

from contracts.alerting import AlertingSettings
from contracts.errors import CorruptEvent
from contracts.events import (
    AlertAcknowledged,
    AlertChanged,
    AlertClosed,
    AlertPushed,
    NotificationDue,
    Signalled,
    SilenceEnded,
    SilenceSet,
    SubscriberNoted,
    SubscriberTested,
    TimePassed,
)
from contracts.instants import SECOND
from contracts.routes import Route

from ...parts import Context, Processor
from ..routing.routing import Routing
from .audience import Listener, configured
from .state import LAYOUT, AlertsState
from .turn import Turn

In = (
    Signalled
    | TimePassed
    | AlertAcknowledged
    | AlertClosed
    | AlertPushed
    | SilenceSet
    | SilenceEnded
    | SubscriberNoted
    | SubscriberTested
)


class Alerts(Processor[In, AlertChanged | NotificationDue, AlertsState]):
    """One alert for each trouble however many findings it has, and who is told of it, when.

    It runs on one partition: what it makes depends on the order of everything in its stream.
    """

    # A Signalled holds hundreds of findings, and each may be an alert of a kilobyte.
    most_events: ClassVar[int] = 10
    alerting: AlertingSettings

    _listeners: dict[str, Listener] = PrivateAttr()
    _routings: dict[bool, Routing | None] = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        self._listeners = configured(self.alerting)
        self._routings = {}

    def prepare(self, context: Context) -> None:
        """Raises ConfigError for routes that do not fit together."""
        self._compile(context.data_dir)

    def routing(self, *, timed: bool) -> Routing | None:
        """The routes; where no time is told nothing would end a wait, so there is none."""
        if not self._routings:
            self._compile(Path())
        return self._routings[timed]

    @property
    def listeners(self) -> Mapping[str, Listener]:
        """The subscribers of the configuration."""
        return self._listeners

    def start(self) -> AlertsState:
        return AlertsState()

    def load(self, data: bytes) -> AlertsState:
        state = super().load(data)
        if state.layout != LAYOUT:
            raise CorruptEvent("alerts were saved with other fields: they are made again from the log")
        return state

    def handle(self, event: In, state: AlertsState) -> Iterator[AlertChanged | NotificationDue]:
        yield from Turn(self, state, event).outputs()

    def _compile(self, folder: Path) -> None:
        self._routings[True] = Routing.of(self.alerting, folder)
        route = self.alerting.route
        at_once = self.alerting.model_copy(update={"route": route and _at_once(route)})
        self._routings[False] = Routing.of(at_once, folder)


def _at_once(route: Route) -> Route:
    """The route without waits: its groups are looked at with each event."""
    return route.model_copy(
        update={
            "group_wait": 0.0,
            "group_interval": 1 / SECOND,
            "routes": tuple(_at_once(child) for child in route.routes),
        }
    )
