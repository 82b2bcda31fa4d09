"""``tocsin subscribers``: who is told of alerts, by which way, and what was delivered."""

import click

from .lazy import lazy

#: Command -> where it is, and what it does; imported when it is called.
COMMANDS = {
    "ls": ("console.subscribing.listing:ls", "List subscribers, with their state and counters."),
    "show": ("console.subscribing.listing:show", "Show one, without its secrets."),
    "deliveries": ("console.subscribing.deliveries:deliveries", "List what was sent, try by try."),
    "add": ("console.subscribing.changing:add", "Subscribe somebody, or change a subscription."),
    "remove": ("console.subscribing.changing:remove", "End a subscription."),
    "pause": ("console.subscribing.changing:pause", "Tell a subscriber nothing for a while."),
    "resume": ("console.subscribing.changing:resume", "Tell it again, also after it was disabled."),
    "test": ("console.subscribing.changing:test", "Send a message that says it is a test."),
    "redeliver": ("console.subscribing.deliveries:redeliver", "Send again what could not be delivered."),
}


@click.group(cls=lazy(COMMANDS))
def subscribers() -> None:
    """Who is told of alerts, by which way, and what was delivered."""
