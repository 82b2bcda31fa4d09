"""A real SMTP server, as kind or as unkind as a test wants it, and certificates for it."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests import certificates


class PostOffice:
    """Takes mail, once it is ``opened``; until then its port takes no connection, and is nobody else's.

    ``says``: mailbox -> answers to RCPT, one after the other, the last one for ever.
    """

    def __init__(self) -> None:
        self.says: dict[str, list[str]] = {}
        self.to_data = "250 taken"
        #: (mailboxes, mail) of everything that was taken.
        self.taken: list[tuple[list[str], EmailMessage]] = []
        self.secure: list[bool] = []
        self.login = ("ann", "pa55word-canary")
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.hangs_at_the_end = False

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answers = self.says.get(address, ["250 fine"])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.secure.append(session.ssl is not None)
        if self.to_data.startswith("2"):
            assert isinstance(envelope.content, bytes)
            mail = message_from_bytes(envelope.content, policy=default)
            assert isinstance(mail, EmailMessage)
            self.taken.append((list(envelope.rcpt_tos), mail))
        return self.to_data

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.hangs_at_the_end:
            await asyncio.Event().wait()
        return "221 bye"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        # Not handled: the library says 535 itself.
        return AuthResult(success=(data.login.decode(), data.password.decode()) == self.login, handled=False)

    def mailboxes(self) -> list[str]:
        """Every delivery to a mailbox, in order."""
        return [address for to, _ in self.taken for address in to]


@asynccontextmanager
async def opened(office: PostOffice, *, tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[PostOffice]:
    """The office open on its port of 127.0.0.1; with ``tls`` from the first byte on."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(office, loop=loop, **options), sock=office.socket, ssl=tls)
    try:
        yield office
    finally:
        server.close()
        await server.wait_closed()


def certified(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A private authority's file, and what a server on 127.0.0.1 needs that it certified."""
    certificates.certified(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt.pem", folder / "key.pem")
    return folder / "ca.crt", context
