"""Texts without the secrets of a subscriber: what a library says of an error may quote them."""

from base64 import b64encode
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from contracts.subscribers import Subscriber

_MASK = "***"
#: Shorter ones would mask half of every text.
_LEAST = 4
_MOST_TEXT = 500


def masked(text: str, subscriber: Subscriber) -> str:
    """The beginning of a text, with each secret of the subscriber as ``***``, however it is written there."""
    for secret in sorted(_forms(subscriber), key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return text[:_MOST_TEXT]


def _forms(subscriber: Subscriber) -> set[str]:
    """The secrets, whole and in parts, as they may stand in a URL or a header."""
    found = set()
    for name in subscriber.secrets:
        value = getattr(subscriber, name)
        if not isinstance(value, SecretStr):
            continue
        whole = value.get_secret_value()
        # Of `Bearer x` the x, of a URL what is between its separators.
        parts = {whole, *whole.replace("/", " ").replace("@", " ").replace(":", " ").replace("?", " ").split()}
        for part in parts - {"https", "http", "Bearer", "Basic"}:
            found |= {part, quote(part, safe=""), quote_plus(part), repr(part)[1:-1], b64encode(part.encode()).decode()}
    return {form for form in found if len(form) >= _LEAST}
