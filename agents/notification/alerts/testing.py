"""A message that says it is a test: whether a subscriber is reached is seen without waiting for a trouble."""

from contracts.events import NotificationDue, SubscriberTested
from contracts.identity import event_id

from .state import AlertsState


def tested(event: SubscriberTested, state: AlertsState) -> NotificationDue:
    """What is sent. It goes out whatever the subscriber wants to be told, and counts for no limit.

    Whether there is such a subscriber is not asked here: word of a new one may come behind this.
    """
    state.messages += 1
    key = event_id("notification", event.name, event.id, state.messages)
    return NotificationDue.of(
        cause=event.id,
        time=state.now,
        asset=event.asset,
        discriminator=key,
        subject=f"[test] a message to {event.name}",
        body=f"{event.by} wants to see whether messages reach {event.name}. Nothing is to be done.",
        severity="info",
        finding=event.id,
        key=key,
        subscriber=event.name,
        why="test",
    )
