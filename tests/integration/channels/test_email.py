"""Mail by a real SMTP server that is down, greylists, refuses half, hangs, and speaks TLS or does not."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from agents.notification.delivery.channel import Surroundings
from agents.notification.delivery.email import EmailChannel
from contracts.errors import Refused, RetryLater, Unavailable
from contracts.subscribers import EmailSubscriber
from tests.integration.channels.mailing import PostOffice, certified, opened
from tests.unit.notification.made import due

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")
ANN, BOB, CLO, DAN = "ann@example.org", "bob@example.org", "clo@example.org", "dan@example.org"


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with opened(PostOffice()) as found:
        yield found


def channel(port: int, folder: Path, *to: str, **said: Any) -> EmailChannel:
    plain: dict[str, Any] = {"tls": "none", "sender": "Tocsin <tocsin@example.org>", "host": "127.0.0.1", "port": port}
    return EmailChannel("plant", EmailSubscriber(to=to or (ANN,), **plain | said), Surroundings(folder))


async def test_a_mail_has_text_and_html_and_a_name_that_follows_from_its_key(
    office: PostOffice, tmp_path: Path
) -> None:
    way = channel(office.port, tmp_path, ANN, f"Bob Öl <{BOB}>")
    message = due("Größe <b>&</b>", key="k1", group_key="g1")
    assert await way.send(message) == "250"
    ((to, mail),) = office.taken
    assert to == [ANN, BOB]
    assert mail["Subject"] == "Größe <b>&</b>"
    assert mail["To"] == f"{ANN}, Bob Öl <{BOB}>"
    assert mail["Message-ID"] == "<k1@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert text.get_content().splitlines() == ["Why: Größe <b>&</b>"]
    assert html is not None
    assert "&lt;b&gt;&amp;" in html.get_content()
    assert "<b>" not in html.get_content()
    await way.send(due("again", key="k2", group_key="g1"))
    assert office.taken[1][1]["References"] == mail["References"]


async def test_nothing_in_a_message_becomes_a_header_or_a_command(office: PostOffice, tmp_path: Path) -> None:
    evil = "x\r\nBcc: eve@example.org\r\n\r\n.\r\nRCPT TO:<eve@example.org>\r\n"
    await channel(office.port, tmp_path).send(due(evil, key=f"k>\r\nX-Evil: 1{evil}", group_key=evil))
    ((to, mail),) = office.taken
    assert to == [ANN]
    assert mail["Bcc"] is None
    assert mail["X-Evil"] is None
    assert "\n" not in mail["Message-ID"]
    assert mail["Subject"].startswith("x\\r\\nBcc: eve@example.org")


@pytest.mark.parametrize(
    "address",
    ["ann@example.org\r\nBcc: eve@x.org", "ann", "a b@example.org", "ann@exa mple.org", "<ann@x.org", "á@x.org"],
)
def test_what_is_no_address_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no mail address"):
        channel(1, tmp_path, address)
    with pytest.raises(Refused, match="no mail address"):
        channel(1, tmp_path, sender=address)


async def test_a_mailbox_that_is_greylisted_is_tried_later_and_nobody_else_again(
    office: PostOffice, tmp_path: Path
) -> None:
    office.says = {BOB: ["451 4.7.1 greylisted", "250 fine"], DAN: ["450 busy", "450 busy", "250 fine"]}
    message = due(key="k1")
    with pytest.raises(RetryLater, match=r"2 of 4 mailboxes refused: bob@example.org \(451 4.7.1 greylisted\)") as told:
        await channel(office.port, tmp_path, ANN, BOB, CLO, DAN).send(message)
    assert told.value.after_s >= 60
    assert told.value.answer == "451"
    # Another channel: a restart has only the folder.
    again = channel(office.port, tmp_path, ANN, BOB, CLO, DAN)
    with pytest.raises(RetryLater, match="1 of 4"):
        await again.send(message)
    assert await again.send(message) == "250"
    assert office.mailboxes() == [ANN, CLO, BOB, DAN]
    assert {mail["Message-ID"] for _, mail in office.taken} == {"<k1@example.org>"}
    (note,) = (tmp_path / "mail").iterdir()
    assert json.loads(note.read_text()) == {}
    # The next message is for all of them.
    await again.send(due(key="k2"))
    assert office.mailboxes()[4:] == [ANN, BOB, CLO, DAN]


async def test_mailboxes_that_refuse_for_good_do_not_make_the_others_get_it_twice(
    office: PostOffice, tmp_path: Path
) -> None:
    office.says = {ANN: ["550 5.1.1 no such user"], BOB: ["550 5.1.1 no such user"]}
    way, message = channel(office.port, tmp_path, ANN, BOB, CLO, DAN), due(key="k1")
    with pytest.raises(Refused, match=r"2 of 4 mailboxes refused: ann@example.org \(550 5.1.1 no such user\), bob@"):
        await way.send(message)
    # As when its dead letter is redriven, once the mailbox was made.
    office.says = {}
    assert await way.send(message) == "250"
    assert office.mailboxes() == [CLO, DAN, ANN, BOB]


async def test_one_that_may_pass_is_waited_for_before_others_are_given_up(office: PostOffice, tmp_path: Path) -> None:
    office.says = {ANN: ["550 no"], BOB: ["450 wait", "250 fine"]}
    way, message = channel(office.port, tmp_path, ANN, BOB), due(key="k1")
    with pytest.raises(RetryLater, match="2 of 2"):
        await way.send(message)
    with pytest.raises(Refused, match="1 of 2"):
        await way.send(message)
    assert office.mailboxes() == [BOB]


@pytest.mark.parametrize(("answer", "kind"), [("554 spam", Refused), ("452 full", RetryLater)])
async def test_a_mail_that_the_server_does_not_like(
    answer: str, kind: type[Exception], office: PostOffice, tmp_path: Path
) -> None:
    office.to_data = answer
    with pytest.raises(kind, match=answer):
        await channel(office.port, tmp_path).send(due())


async def test_a_server_that_is_down_is_unavailable(tmp_path: Path) -> None:
    office = PostOffice()
    with office.socket, pytest.raises(Unavailable, match="takes no connection"):
        await channel(office.port, tmp_path).send(due())


@asynccontextmanager
async def speaking(begin: bytes) -> AsyncIterator[tuple[int, anyio.Event, anyio.Event]]:
    """A server that says this and then nothing; its port, whether somebody came, and whether that connection ended."""
    came, ended = anyio.Event(), anyio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        writer.write(begin)
        while await reader.read(4096):
            pass
        writer.close()
        ended.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], came, ended


@pytest.mark.parametrize("begin", [b"", b"220 hello\r\n", b"nonsense\r\n", b"421 too busy\r\n"])
async def test_a_server_that_hangs_or_talks_nonsense(begin: bytes, tmp_path: Path) -> None:
    async with speaking(begin) as (port, _, ended):
        with pytest.raises((Unavailable, RetryLater)):
            await channel(port, tmp_path, timeout=1.5).send(due())
        # No connection is left open.
        with anyio.fail_after(90):
            await ended.wait()


async def test_who_is_given_up_in_the_middle_leaves_no_connection_open(tmp_path: Path) -> None:
    async with speaking(b"220 hello\r\n") as (port, came, ended), anyio.create_task_group() as group:
        group.start_soon(channel(port, tmp_path, timeout=60.0).send, due())
        with anyio.fail_after(90):
            await came.wait()
            group.cancel_scope.cancel()
        with anyio.fail_after(90, shield=True):
            await ended.wait()
    assert ended.is_set()


async def test_a_server_that_took_the_mail_and_then_hangs_has_taken_it(office: PostOffice, tmp_path: Path) -> None:
    office.hangs_at_the_end = True
    assert await channel(office.port, tmp_path, timeout=60.0).send(due()) == "250"
    assert office.mailboxes() == [ANN]


@needs_openssl
async def test_starttls_with_a_private_authority(tmp_path: Path) -> None:
    authority, context = certified(tmp_path)
    async with opened(PostOffice(), tls_context=context, require_starttls=True) as office:
        with pytest.raises(Unavailable, match="certificate that is not accepted"):
            await channel(office.port, tmp_path, tls="starttls").send(due())
        assert office.taken == []
        assert await channel(office.port, tmp_path, tls="starttls", tls_ca=authority).send(due()) == "250"
        assert office.secure == [True]
        with pytest.raises(Unavailable, match="certificate that is not accepted"):
            await channel(office.port, tmp_path, tls="starttls", tls_ca=authority, host="localhost").send(due())


@needs_openssl
async def test_tls_from_the_beginning(tmp_path: Path) -> None:
    authority, context = certified(tmp_path)
    async with opened(PostOffice(), tls=context) as office:
        assert await channel(office.port, tmp_path, tls="tls", tls_ca=Path(authority.name)).send(due()) == "250"


async def test_a_server_without_starttls_gets_nothing_in_the_clear(office: PostOffice, tmp_path: Path) -> None:
    way = channel(office.port, tmp_path, tls="starttls", username="ann", password="pa55word-canary")
    with pytest.raises(Unavailable, match="STARTTLS"):
        await way.send(due())
    assert office.taken == []


@needs_openssl
async def test_login_and_a_wrong_one_without_the_password_in_the_error(tmp_path: Path) -> None:
    authority, context = certified(tmp_path)
    office = PostOffice()
    async with opened(office, tls_context=context, authenticator=office.authenticate, auth_required=True):
        said: dict[str, Any] = {"tls": "starttls", "tls_ca": authority, "username": "ann"}
        assert await channel(office.port, tmp_path, password="pa55word-canary", **said).send(due()) == "250"
        with pytest.raises(Unavailable, match="refuses the login") as told:
            await channel(office.port, tmp_path, password="wrong-canary", **said).send(due())
        assert "canary" not in repr(told.value)
        assert told.value.answer == "535"


def test_a_password_does_not_cross_a_network_in_the_clear(tmp_path: Path) -> None:
    said: dict[str, Any] = {"username": "ann", "password": "pa55word-canary"}
    with pytest.raises(Refused, match="without TLS"):
        channel(25, tmp_path, host="mail.example.org", **said)
    channel(25, tmp_path, host="127.0.0.1", **said)


async def test_a_damaged_note_of_who_got_it_is_as_none(office: PostOffice, tmp_path: Path) -> None:
    office.says = {BOB: ["450 wait", "450 wait", "250 fine"]}
    way, message = channel(office.port, tmp_path, ANN, BOB), due(key="k1")
    with pytest.raises(RetryLater):
        await way.send(message)
    (note,) = (tmp_path / "mail").iterdir()
    note.write_text('{"k1": ["ann@')
    with pytest.raises(RetryLater):
        await way.send(message)
    assert await way.send(message) == "250"
    assert office.mailboxes() == [ANN, ANN, BOB]
