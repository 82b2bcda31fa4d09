"""Where webhooks go: to addresses that were checked, under the name that was asked for, and nowhere else."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from contracts.errors import Refused, Unavailable
from tests.integration.delivery.hooks import channel, sent
from tests.integration.delivery.messages import due
from tests.integration.delivery.receiver import Receiver, receiving

# ---------------------------------------------------------------- where it is sent


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "0x7f.1", "2130706433", "0", "0.0.0.0", "017700000001",  # noqa: S104 - connected to
        "[::1]", "[::ffff:7f00:1]", "[::ffff:127.0.0.1]", "localhost", "localhost.", "LOCALHOST",
        "169.254.169.254", "100.64.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "224.0.0.1", "255.255.255.255",
        "[64:ff9b::a9fe:a9fe]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]",
        "[fe80::1]", "[fec0::1]", "[fc00::1]", "[ff02::1]", "[::7f00:1]", "[2001:db8::1]", "192.88.99.1", "198.18.0.1",
    ],
)  # fmt: skip
async def test_addresses_that_are_not_public_are_refused_without_a_connection(host: str, tmp_path: Path) -> None:
    async with receiving(host="0.0.0.0") as receiver:  # noqa: S104 - it is to be reached by any of these names
        with pytest.raises((Refused, Unavailable)) as caught:
            await sent(channel(receiver.url(host=host), tmp_path, allow_private=(), timeout=20.0))
        assert isinstance(caught.value, Refused) or "resolved" in str(caught.value)
        assert receiver.connections == 0


async def test_a_name_is_resolved_once_and_what_it_means_later_plays_no_part(tmp_path: Path) -> None:
    """The first answer is an address that may be used, all later ones are our own network."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async with receiving() as receiver:
        async with receiving(Receiver(port=receiver.port), host="127.0.0.2") as inner:
            sending = channel(receiver.url(host="rebind.example"), tmp_path, resolve=rebinding)
            assert await sending.send(due("hook")) == "200"
            assert asked == ["rebind.example"]
            with pytest.raises(Refused, match=r"127\.0\.0\.2 is not public"):
                await sending.send(due("hook", 1))
            await sending.close()
        assert (len(receiver.taken), inner.connections) == (1, 0)
    assert receiver.taken[0].headers["host"] == f"rebind.example:{receiver.port}"


async def test_a_name_in_any_script_is_asked_for_and_named_in_ascii(tmp_path: Path) -> None:
    asked = []

    async def here(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with receiving() as receiver:
        assert await sent(channel(receiver.url(host="bücher.example"), tmp_path, resolve=here)) == "200"
    assert asked == ["xn--bcher-kva.example"]
    assert receiver.taken[0].headers["host"] == f"xn--bcher-kva.example:{receiver.port}"


async def test_one_private_address_among_public_ones_is_enough_to_refuse(tmp_path: Path) -> None:
    async def mixed(host: str, port: int) -> list[str]:
        return ["93.184.215.14", "10.0.0.1"]

    with pytest.raises(Refused, match=r"10\.0\.0\.1"):
        await sent(channel("http://mixed.example/", tmp_path, resolve=mixed))


async def test_an_address_that_takes_no_connection_gives_way_to_the_next(tmp_path: Path) -> None:
    async def two(host: str, port: int) -> list[str]:
        return ["127.0.0.9", "127.0.0.1"]

    async with receiving() as receiver:
        sending = channel(receiver.url(host="two.example"), tmp_path, resolve=two, allow_private=("127.0.0.0/8",))
        assert await sent(sending) == "200"


@pytest.mark.parametrize(
    "url",
    [
        "http://user:password@127.0.0.1/", "http://user@127.0.0.1/", "ftp://127.0.0.1/", "file:///etc/passwd",
        "gopher://127.0.0.1/", "http:///path", "http://127.0.0.1\\@evil.example/", "http://127.0.0.1 .evil/",
        "http://127.0.0.1/\r\nx: y", "//127.0.0.1/", "http://[::1/", "https://" + "a" * 3_000,
    ],
)  # fmt: skip
def test_urls_that_can_be_read_in_two_ways_are_refused_and_not_quoted(url: str, tmp_path: Path) -> None:
    with pytest.raises((Refused, ValueError)) as caught:
        channel(url, tmp_path)
    assert "password" not in str(caught.value).replace("a user or a password", "")


def test_http_needs_to_be_allowed(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="allow_http"):
        channel("http://receiver.example/", tmp_path, allow_http=False)


# ---------------------------------------------------------------- TLS


def certified(folder: Path, name: str) -> ssl.SSLContext:
    """What a server of this name needs; ``ca.pem`` is the authority that certified it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])

    def signed(subject: x509.Name, extension: x509.ExtensionType) -> bytes:
        made = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        return made.add_extension(extension, critical=False).sign(key, SHA256()).public_bytes(Encoding.PEM)

    (folder / "ca.pem").write_bytes(signed(issuer, x509.BasicConstraints(ca=True, path_length=None)))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    server = signed(x509.Name([]), x509.SubjectAlternativeName([x509.DNSName(name)]))
    (folder / "server.pem").write_bytes(private + server)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem")
    return context


async def test_the_certificate_must_be_of_the_name_and_not_of_the_address(tmp_path: Path) -> None:
    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with receiving(tls=certified(tmp_path, "receiver.example")) as receiver:
        ca: dict[str, Any] = {"tls_ca": str(tmp_path / "ca.pem"), "resolve": here}
        right = receiver.url(scheme="https", host="receiver.example")
        assert await sent(channel(right, tmp_path, **ca)) == "200"
        with pytest.raises(Unavailable, match="certificate is not accepted"):
            await sent(channel(receiver.url(scheme="https", host="other.example"), tmp_path, **ca))
        with pytest.raises(Unavailable, match="certificate is not accepted"):
            await sent(channel(right, tmp_path, resolve=here))
    assert len(receiver.taken) == 1
