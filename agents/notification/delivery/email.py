"""A mail to several mailboxes: each that takes it gets it, those that do not are tried again."""

import socket
import ssl
from contextlib import suppress
from typing import NamedTuple

import aiosmtplib as smtp
import structlog
from anyio import to_thread

from contracts.addresses import is_loopback
from contracts.errors import Refused, RetryLater, TocsinError, Unavailable
from contracts.events import NotificationDue
from contracts.identity import digest
from contracts.subscribers import EmailSubscriber

from ..lines import escaped
from .channel import Channel, Surroundings, answered
from .letter import letter, mailbox
from .memo import Memo

log = structlog.get_logger()

#: After "not now": servers that greylist want to see minutes between two tries.
_LATER_S = 60.0
_QUIT_S = 1.0
#: Mails that are remembered because some mailboxes took them and others did not.
_MOST_HALVES = 1_000
_MOST_ANSWER = 200


class Answer(NamedTuple):
    """What a server said: a code as 250, and a text."""

    code: int
    text: str

    @property
    def passes(self) -> bool:
        """Whether another try may help."""
        return 400 <= self.code < 500


class EmailChannel(Channel):
    """Sends by SMTP, one connection for each mail.

    What a server says of a mailbox or of this mail counts for that alone: 4xx is tried again after a minute, and 5xx
    never. What it says of itself or of us, the login included, is tried again like an outage. A mail that one half of
    the mailboxes took is sent to the other half only, after a restart, too; redriving its dead letter does the same.

    Raises Refused for addresses that are none, and for a password that would cross a network in the clear.
    """

    def __init__(self, name: str, subscriber: EmailSubscriber, surroundings: Surroundings) -> None:
        self._subscriber, self._clock = subscriber, surroundings.clock
        self._sender = mailbox(subscriber.sender)
        self._to = {each.addr_spec: each for each in map(mailbox, subscriber.to)}
        if subscriber.password is not None and subscriber.tls == "none" and not is_loopback(subscriber.host):
            raise Refused("a password is not sent without TLS", mend="Set tls to starttls or tls.")
        self._tls_ca = subscriber.tls_ca and surroundings.data_dir / subscriber.tls_ca
        # By a digest: a name may be longer than that of a file.
        self._took = Memo(surroundings.data_dir / "mail" / f"{digest(name)}.json", _MOST_HALVES)

    async def send(self, message: NotificationDue) -> str:
        took = (await to_thread.run_sync(self._took.read)).get(message.key, [])
        left = [address for address in self._to if address not in took]
        mail = letter(message, self._sender, list(self._to.values()), self._clock.wall_ns())
        failed = await self._hand_over(left, mail) if left else {}
        now = [*took, *(address for address in left if address not in failed)]
        await to_thread.run_sync(self._note, message.key, now if failed else [])
        if failed:
            raise _judged(failed, len(self._to))
        return "250"

    def _note(self, key: str, took: list[str]) -> None:
        """Remember who got it while others did not, and only so long."""
        try:
            self._took.write({key: took})
        except OSError as error:
            # The mail is out: at worst it comes again, with the same Message-ID.
            log.warning("mailboxes that took a mail could not be noted", cause=error.strerror, key=key)

    async def _hand_over(self, to: list[str], mail: bytes) -> dict[str, Answer]:
        """Send to the mailboxes; returns those that it was refused for, and why.

        Raises Unavailable or RetryLater when there was no telling.
        """
        connection = self._connection()
        try:
            await connection.connect()
            refused = await _sent(connection, self._sender.addr_spec, to, mail)
            with suppress(smtp.SMTPException, OSError):
                # What was said is said: a server that hangs now changes nothing.
                await connection.quit(timeout=_QUIT_S)
            return refused
        except smtp.SMTPAuthenticationError as error:
            # Its text is left out: a server may repeat there what it was sent.
            raise answered(Unavailable("the mail server refuses the login"), str(error.code)) from None
        except smtp.SMTPResponseException as error:
            raise _answered(error.code, error.message) from None
        except (smtp.SMTPException, OSError) as error:
            raise Unavailable(f"the mail server {_why(error)}") from None
        finally:
            connection.close()

    def _connection(self) -> smtp.SMTP:
        said = self._subscriber
        return smtp.SMTP(
            hostname=said.host,
            port=said.port,
            username=said.username or None,
            password=said.password.get_secret_value() if said.password is not None else None,
            use_tls=said.tls == "tls",
            # True: no server that offers none is talked to in the clear.
            start_tls=said.tls == "starttls",
            tls_context=None if said.tls == "none" else self._context(),
            timeout=said.timeout,
            local_hostname=socket.gethostname(),
        )

    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=None if self._tls_ca is None else str(self._tls_ca))
        except (OSError, ssl.SSLError):
            raise Unavailable("the file of tls_ca cannot be used") from None


async def _sent(connection: smtp.SMTP, sender: str, to: list[str], mail: bytes) -> dict[str, Answer]:
    """The mailboxes that the server refused, and why."""
    try:
        refused, _ = await connection.sendmail(sender, to, mail)
        return {address: Answer(*answer) for address, answer in refused.items()}
    except smtp.SMTPRecipientsRefused as error:
        return {each.recipient: Answer(each.code, each.message) for each in error.recipients}
    except (smtp.SMTPSenderRefused, smtp.SMTPDataError) as error:
        return dict.fromkeys(to, Answer(error.code, error.message))


def _judged(failed: dict[str, Answer], of: int) -> TocsinError:
    """What becomes of those who did not get it."""
    later = [each for each in failed.values() if each.passes]
    worst = (later or list(failed.values()))[0]
    some = ", ".join(f"{address} ({_text(answer)})" for address, answer in list(failed.items())[:10])
    told = f"{len(failed)} of {of} mailboxes refused: {some}"
    if later:
        return answered(RetryLater(told, after_s=_LATER_S), str(worst.code))
    return answered(Refused(told), str(worst.code))


def _answered(code: int, text: str) -> TocsinError:
    """What becomes of a mail when the server does not talk to us."""
    told = f"the mail server said {_text(Answer(code, text))}"
    if 400 <= code < 500:
        return answered(RetryLater(told, after_s=_LATER_S), str(code))
    return answered(Unavailable(told), str(code))


def _text(answer: Answer) -> str:
    return f"{answer.code} {escaped(answer.text)[:_MOST_ANSWER]}".strip()


def _why(error: BaseException) -> str:
    """Why there is no connection, in our own words where the cause is known."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"has a certificate that is not accepted: {cause.verify_message}"
        if isinstance(cause, TimeoutError):
            return "does not answer in time"
        if isinstance(cause, ConnectionRefusedError):
            return "takes no connection"
        cause = cause.__cause__ or cause.__context__
    return f"ended the connection ({type(error).__name__}: {escaped(str(error))[:_MOST_ANSWER]})"
