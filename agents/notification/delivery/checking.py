"""What is wrong with a subscriber that its settings alone do not show, as far as nobody has to be asked for it."""

from contracts.errors import Refused
from contracts.subscribers import Posted, Subscriber


def problem(found: Subscriber) -> str:
    """What is wrong, beginning with the field, without a secret in it; empty where nothing is."""
    if isinstance(found, Posted):
        from .posting import Target  # httpx, where somebody is posted to

        try:
            Target.of(found.url, allow_http=found.allow_http)
        except Refused as error:
            return f"url: {error}"
    return ""
