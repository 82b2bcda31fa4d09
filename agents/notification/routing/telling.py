"""What routes decide: whom to tell of which alerts, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from .told import Why


class Known(Protocol):
    """What whoever keeps the alerts knows of them."""

    def labels(self, alert: str) -> Mapping[str, str]:
        """The labels of an alert, as it was entered last."""
        ...

    def acknowledged(self, alert: str) -> bool:
        """Whether somebody takes care of it: then nothing of it is repeated or escalated."""
        ...


@dataclass(frozen=True)
class Telling:
    """One message to everybody in ``tell``. Silenced, inhibited and muted alerts are not in it."""

    at: int
    """When it was due, ns: at most one ``group_interval`` ago."""
    why: Why
    """new: something fires that was not told; resolved: something ended, and nothing is new; repeat; escalation."""
    group: int
    """Number of the group, for ``further``."""
    group_key: str
    """The same for all that is told of one group by one route: ``{}/{severity="critical"}:{site="north"}``."""
    path: str
    """Of the route."""
    labels: Mapping[str, str]
    """Of the group."""
    receiver: str
    tell: tuple[str, ...]
    """Subscribers and schedules, each once, in the order of the steps. A schedule is to be asked who has it now."""
    step: int
    """The highest step that is told here, from 0."""
    firing: tuple[str, ...]
    resolved: tuple[str, ...]
    fresh: tuple[str, ...]
    """Those of ``firing`` that the last notification of the group did not have."""
