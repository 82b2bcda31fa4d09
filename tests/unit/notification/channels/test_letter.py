"""Mails: addresses that are some, headers that hold, the same bytes for the same message."""

from email import message_from_bytes
from email.policy import default

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.notification.delivery.letter import letter, mailbox
from contracts.errors import Refused
from contracts.instants import SECOND
from tests.unit.notification.made import due

SENDER, ANN = mailbox("Tocsin <tocsin@example.org>"), mailbox("ann@example.org")
HEADERS = {
    "From", "To", "Subject", "Date", "Message-ID", "References", "Auto-Submitted", "X-Tocsin-Key", "X-Tocsin-Severity",
    "MIME-Version", "Content-Type",
}  # fmt: skip

text = st.text(st.characters(codec="utf-8"), max_size=60) | st.sampled_from(
    ["\r\nBcc: e@x.org", "\n\n.\n", "\r", "\x00"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(subject=text, body=text, key=text.filter(bool), group=text)
def test_no_text_becomes_a_header_or_ends_the_mail(subject: str, body: str, key: str, group: str) -> None:
    data = letter(due(key=key, subject=subject, body=body, group_key=group), SENDER, [ANN], 0)
    data.decode("ascii")
    mail = message_from_bytes(data, policy=default)
    assert set(mail.keys()) <= HEADERS
    assert len(mail.keys()) == len(set(mail.keys()))
    assert mail["To"] == "ann@example.org"
    assert not mail.defects
    # RFC 5321: no line is longer than a thousand octets.
    assert max(map(len, data.split(b"\r\n"))) <= 998


def test_the_same_message_is_the_same_mail_but_for_its_date() -> None:
    message = due("hot", group_key="g")
    first, second = (letter(message, SENDER, [ANN], second * SECOND) for second in (0, 60))

    def others(data: bytes) -> list[tuple[str, str]]:
        mail = message_from_bytes(data, policy=default)
        return [(name, value) for name, value in mail.items() if name not in ("Date", "Content-Type")]

    assert others(first) == others(second)


@pytest.mark.parametrize(
    ("given_", "address", "name"),
    [
        ("ann@example.org", "ann@example.org", ""),
        ("  Ann Ö. <a.n-n+x@mail.example.org> ", "a.n-n+x@mail.example.org", "Ann Ö."),
        ("ann@localhost", "ann@localhost", ""),
        ("ann@10.0.0.1", "ann@10.0.0.1", ""),
    ],
)
def test_addresses(given_: str, address: str, name: str) -> None:
    found = mailbox(given_)
    assert (found.addr_spec, found.display_name) == (address, name)


@pytest.mark.parametrize(
    "given_",
    ["", "ann", "@x", "ann@", "a@b@c", "a,b@x.org", "ann@x.org, bob@x.org", "<ann@x.org", "ann@x.org>", "ann@x.org\n",
     'x" <ann@x.org>', "ann@é.org"],
)  # fmt: skip
def test_what_is_no_address(given_: str) -> None:
    with pytest.raises(Refused):
        mailbox(given_)
