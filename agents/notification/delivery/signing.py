"""Signatures of webhooks, as Standard Webhooks describe them (standardwebhooks.com, version 1.0.0).

``v1,`` and the HMAC-SHA256 of ``{id}.{seconds}.{body}`` in base64; one for each secret, parted by spaces, so that a
receiver may change over while both are in use.
"""

import hmac
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from secrets import token_bytes

from contracts.subscribers import WHSEC


def new_secret() -> str:
    """A secret that nobody had before."""
    return WHSEC + b64encode(token_bytes(32)).decode()


def signatures(keys: Sequence[bytes], name: str, seconds: int, body: bytes) -> str:
    """The header ``webhook-signature``: one signature for each key."""
    signed = b"%s.%d.%s" % (name.encode(), seconds, body)
    return " ".join(f"v1,{b64encode(hmac.new(key, signed, sha256).digest()).decode()}" for key in keys)
