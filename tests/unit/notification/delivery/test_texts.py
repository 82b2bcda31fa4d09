"""What leaves us: pauses that were asked for, texts without secrets, addresses that are somebody's."""

import ipaddress
from base64 import b64encode
from urllib.parse import quote

import pytest

from agents.notification.delivery.masking import masked
from agents.notification.delivery.posting import pause_s
from agents.notification.delivery.safe import is_public
from contracts.subscribers import subscriber

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("text", "pause"),
    [
        ("120", 120), ("0", 0), (" 7 ", 7), ("Fri, 15 Jan 2027 08:01:00 GMT", 60), ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
        ("Friday, 15-Jan-27 08:01:00 GMT", 60), ("", None), ("soon", None), ("-5", None), ("1.5", None), ("٣", None),
        ("9" * 400, 999_999_999), ("Fri, 15 Jan 99999 08:00:00 GMT", None), ("\x00", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_seconds_and_as_a_date(text: str, pause: float | None) -> None:
    assert pause_s(text, NOW * 1_000_000_000) == pause


def test_no_form_of_a_secret_stays_in_a_text() -> None:
    found = subscriber({"kind": "apprise", "url": "mailto://ann:pa%ss/word@mail.example?key=canary-1"})
    for text in (
        "cannot reach mailto://ann:pa%ss/word@mail.example?key=canary-1",
        f"GET /?u={quote('mailto://ann:pa%ss/word@mail.example?key=canary-1', safe='')}",
        "key=canary-1 is wrong",
        f"Basic {b64encode(b'key=canary-1').decode()}",
    ):
        assert "canary" not in masked(text, found)
        assert "pa%ss" not in masked(text, found)
    hook = subscriber({"kind": "webhook", "url": "https://x.example", "authorization": "Bearer canary-2"})
    assert masked("header 'Bearer canary-2', token canary-2", hook) == "header '***', token ***"
    assert masked("200 " * 1_000, hook) == ("200 " * 1_000)[:500]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True), ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True), ("8.8.8.8", True),
        ("10.0.0.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("192.0.0.8", False),
        ("240.0.0.1", False), ("224.0.0.1", False), ("192.88.99.1", False), ("255.255.255.255", False),
        ("::ffff:8.8.8.8", False), ("64:ff9b::808:808", False), ("2002:808:808::", False), ("2001:0:808:808::", False),
        ("fec0::1", False), ("ff0e::1", False), ("::8.8.8.8", False), ("100::1", False), ("3fff::1", False),
    ],
)  # fmt: skip
def test_only_addresses_that_are_somebodys_on_the_internet_are_public(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public
