"""A message as a mail: plain text, the same as HTML, and headers that no text from outside can break out of."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from contracts.errors import Refused
from contracts.events import NotificationDue
from contracts.identity import digest
from contracts.instants import SECOND

from ..lines import escaped

_MAILBOX = re.compile(r'(?:(?P<name>[^<>"@,;]*)<)?(?P<local>[\x21-\x7e]+)@(?P<domain>[A-Za-z0-9.\-]+)(?(name)>)')
_SPECIAL = frozenset('<>()[]:;@\\,"')
_PLAIN_KEY = re.compile(r"[A-Za-z0-9._-]{1,100}")
#: Everything is 7-bit ASCII on the wire: every server takes that.
_POLICY = SMTP.clone(cte_type="7bit")
_MOST_TEXT = 64 * 1024
_COLOURS = {"critical": "#b00020", "warning": "#8a5a00", "info": "#33506b"}


def mailbox(text: str) -> Address:
    """``ann@example.org`` or ``Ann <ann@example.org>``.

    Raises Refused for anything else, and for what is not ASCII.
    """
    found = _MAILBOX.fullmatch(text.strip()) if text.isprintable() else None
    if found is None or set(found["local"]) & _SPECIAL:
        raise Refused(f"{escaped(text)[:100]!r} is no mail address", mend="Write it as name@example.org.")
    return Address((found["name"] or "").strip(), found["local"], found["domain"])


def letter(message: NotificationDue, sender: Address, to: Sequence[Address], now_ns: int) -> bytes:
    """The mail with all its headers, at most a few hundred kilobytes.

    ``Message-ID`` follows from the message's key: a mail that comes twice can be told by it. Mails of one group refer
    to the same, so that mail programs show them together.
    """
    mail = EmailMessage(policy=_POLICY)
    mail["From"], mail["To"] = sender, tuple(to)
    mail["Subject"] = escaped(message.subject)
    mail["Date"] = format_datetime(datetime.fromtimestamp(now_ns // SECOND, UTC))
    mail["Message-ID"] = f"<{_word(message.key)}@{sender.domain}>"
    if message.group_key:
        mail["References"] = f"<group.{digest(message.group_key)}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answers of absent people
    mail["X-Tocsin-Key"] = _word(message.key)
    mail["X-Tocsin-Severity"] = message.severity
    text = "\n".join(map(escaped, message.body.splitlines()))[:_MOST_TEXT]
    mail.set_content(f"{text}\n")
    mail.add_alternative(_html(message, text), subtype="html")
    return mail.as_bytes()


def _word(key: str) -> str:
    """The key as it can stand in a header."""
    return key if _PLAIN_KEY.fullmatch(key) else digest(key)


def _html(message: NotificationDue, text: str) -> str:
    colour = _COLOURS[message.severity]
    return (
        f'<!doctype html><html><body style="font-family:sans-serif"><h3 style="color:{colour}">'
        f"{escape(escaped(message.subject))}</h3>"
        f'<pre style="font-family:inherit;white-space:pre-wrap">{escape(text)}</pre></body></html>'
    )
