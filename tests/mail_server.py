"""A mail server on loopback for tests: real SMTP with STARTTLS or TLS from the start, a user and a password.

Its certificate is of an authority made for the run, whose own certificate stands in a file: who is to trust it gets
that file's name in SSL_CERT_FILE.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from servers import free_port

USER: Final = "prefect@empresa.example"
PASSWORD: Final = "clave-del-correo-91c4"


class MailServer:
    """`refused` are recipients that it does not take. It can be told to part rudely, and to fall silent."""

    def __init__(self, folder: Path, *, starttls: bool = True, refused: Sequence[str] = ()) -> None:
        authority = trustme.CA()
        self.authority = folder / "mail-authority.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.attempts: list[str] = []
        self.farewell = "221 Bye"
        self.hangs_up = False
        """Whether it takes a mail without saying so."""
        self._refused = frozenset(refused)
        self._starttls = starttls
        self.port = free_port()
        common: dict[str, Any] = {"auth_required": True, "authenticator": self._authenticate, "ident": "test"}
        if starttls:
            common |= {"tls_context": context, "require_starttls": True}
        else:
            common |= {"ssl_context": context, "auth_require_tls": False}  # it does not know of the TLS around it
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **common)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()

    def block(self, **changed: Any) -> dict[str, Any]:
        """What a block email-server-credentials holds to send by it."""
        return {
            "username": USER,
            "password": PASSWORD,
            "smtp_server": "127.0.0.1",
            "smtp_type": "STARTTLS" if self._starttls else "SSL",
            "smtp_port": self.port,
            **changed,
        }

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.attempts.append(address)
        if address in self._refused:
            return "550 5.1.1 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append((list(envelope.rcpt_tos), message))
        if self.hangs_up:
            server.transport.abort()  # type: ignore[union-attr]
        return "250 OK"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        return self.farewell
