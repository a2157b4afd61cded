"""Sends a mail whole or not at all: to every recipient over TLS, by the server that a block of prefect-email names."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Final

from prefect_email import EmailServerCredentials  # type: ignore[import-untyped]
from prefect_email.credentials import SMTPServer, SMTPType  # type: ignore[import-untyped]

PATIENCE: Final = 60.0
"""Seconds that a mail server may be silent."""

ADDRESS: Final = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[A-Za-z0-9.-]+")


class MailError(Exception):
    """Why no mail was sent, in one sentence."""


def check_addresses(addresses: Sequence[str]) -> None:
    """Raises MailError that names every address which is none."""
    wrong = [address for address in addresses if not (ADDRESS.fullmatch(address) and address.isascii())]
    if wrong:
        raise MailError(f"No mail was sent: no mail address: {', '.join(repr(one) for one in wrong)}")


def compose(
    *, subject: str, sender: str, recipients: Sequence[str], text: str, html: str, written: datetime
) -> EmailMessage:
    """A mail of HTML with plain text beside it."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Date"] = format_datetime(written)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # absence notes do not answer it
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message


def send(credentials: EmailServerCredentials, message: EmailMessage, *, sender: str, recipients: Sequence[str]) -> None:
    """Send it to all recipients, or raise MailError with none of them having got it.

    Where the server falls silent after it was given the mail, the error says that this is not known.
    """
    if credentials.smtp_type == SMTPType.INSECURE:
        raise MailError("No mail was sent: the block sends without TLS. Set its SMTP type to STARTTLS or SSL")
    host, port = _address(credentials)
    where = f"{host}:{port}"
    try:
        with _connected(credentials, host, port) as server:
            if credentials.username is not None:
                server.login(credentials.username, credentials.password.get_secret_value())
            _transact(server, message, sender, recipients, where)
    except smtplib.SMTPAuthenticationError as error:
        raise MailError(
            f"No mail was sent: {where} refuses the user or password of the block ({_said(error)})"
        ) from None
    except smtplib.SMTPResponseException as error:
        raise MailError(f"No mail was sent: {where} refuses it ({_said(error)})") from None
    except ssl.SSLCertVerificationError as error:
        raise MailError(
            f"No mail was sent: the certificate of {where} is not trusted ({error.verify_message})"
        ) from None
    except (OSError, smtplib.SMTPException) as error:
        raise MailError(f"No mail was sent: {where} cannot be used ({str(error) or type(error).__name__})") from None


def _transact(server: smtplib.SMTP, message: EmailMessage, sender: str, recipients: Sequence[str], where: str) -> None:
    """smtplib's own way sends to those who were accepted when others were refused."""
    server.ehlo_or_helo_if_needed()
    _expect(*server.mail(sender))
    for recipient in recipients:
        code, answer = server.rcpt(recipient)
        _expect(code, f"{recipient}: ".encode() + answer)
    try:
        answered = server.data(message.as_bytes())
    except smtplib.SMTPResponseException:
        raise
    except (OSError, smtplib.SMTPException) as error:
        raise MailError(
            f"It is not known whether the mail was sent: {where} was given it and did not answer"
            f" ({str(error) or type(error).__name__}). Look for it in a mailbox before sending it again"
        ) from None
    _expect(*answered)


def _expect(code: int, answer: bytes) -> None:
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, answer)


def _said(error: smtplib.SMTPResponseException) -> str:
    answer = error.smtp_error
    words = answer.decode("utf-8", errors="replace") if isinstance(answer, bytes) else str(answer)
    return f"{error.smtp_code} {' '.join(words.split())}"[:300]


def _address(credentials: EmailServerCredentials) -> tuple[str, int]:
    server = credentials.smtp_server
    return server.value if isinstance(
        server, SMTPServer
    ) else server, credentials.smtp_port or credentials.smtp_type.value


@contextmanager
def _connected(credentials: EmailServerCredentials, host: str, port: int) -> Iterator[smtplib.SMTP]:
    """What the block's own `get_server` does, which waits for ever, and leaves connections open that fail."""
    context = ssl.create_default_context()
    if credentials.verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    server = (
        smtplib.SMTP_SSL(host, port, timeout=PATIENCE, context=context)
        if credentials.smtp_type == SMTPType.SSL
        else smtplib.SMTP(host, port, timeout=PATIENCE)
    )
    try:
        if credentials.smtp_type != SMTPType.SSL:
            server.starttls(context=context)
        yield server
        with suppress(OSError, smtplib.SMTPException):  # the mail was taken: how the server parts changes nothing
            server.quit()
    finally:
        server.close()
