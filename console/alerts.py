"""``tocsin alerts``: what was found, who takes care of it, and whether it was right."""

import click

from .lazy import lazy

#: Command -> where it is, and what it does; imported when it is called.
COMMANDS = {
    "ls": ("console.alerting.listing:ls", "List alerts."),
    "show": ("console.alerting.showing:show", "Show everything about one."),
    "ack": ("console.alerting.deciding:ack", "Take care of one: no repeats, no escalation."),
    "resolve": ("console.alerting.deciding:resolve", "Say that one is over."),
    "escalate": ("console.alerting.deciding:escalate", "Have the next step told now."),
    "silence": ("console.alerting.silencing:silence", "Tell nobody of what matches, for a time."),
    "silences": ("console.alerting.silencing:silences", "List silences."),
    "unsilence": ("console.alerting.silencing:unsilence", "End a silence before its time."),
    "label": ("console.alerting.labelling:label", "Say whether one was right."),
}


@click.group(cls=lazy(COMMANDS))
def alerts() -> None:
    """List alerts, take care of them, and say which of them were right."""
