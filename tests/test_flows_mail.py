"""Mails through a real SMTP server on loopback: over TLS, to all or to nobody."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import pytest
from mail_server import PASSWORD, USER, MailServer
from prefect_email import EmailServerCredentials  # type: ignore[import-untyped]

from flows.common.server import ZONE
from flows.monitoring import mail

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
"""aiosmtpd does not see the TLS that is around all of it."""

AT: Final = datetime(2026, 11, 22, 23, 55, tzinfo=ZONE)
TO: Final = ["ana@empresa.example", "beto@empresa.example"]


def message() -> EmailMessage:
    return mail.compose(
        subject="Prefect: 2 fallas", sender=USER, recipients=TO, text="Año nuevo\n", html="<p>Año nuevo</p>", written=AT
    )


def send(data: dict[str, Any], recipients: list[str] | None = None) -> None:
    mail.send(EmailServerCredentials(**data), message(), sender=USER, recipients=recipients or TO)


@pytest.fixture(params=[True, False], ids=["starttls", "tls"])
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    with MailServer(tmp_path, starttls=request.param, refused=["nadie@empresa.example"]) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.authority))
        yield running


def test_every_recipient_gets_html_and_plain_text(server: MailServer) -> None:
    send(server.block())
    [(recipients, got)] = server.mails
    assert recipients == TO
    assert (got["Subject"], got["From"], got["To"]) == ("Prefect: 2 fallas", USER, ", ".join(TO))
    assert got["Date"] == "Sun, 22 Nov 2026 23:55:00 -0300"
    assert got.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in got.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content().strip() for part in got.iter_parts()] == ["Año nuevo", "<p>Año nuevo</p>"]


def test_one_recipient_that_is_refused_and_nobody_gets_it(server: MailServer) -> None:
    with pytest.raises(mail.MailError, match=r"refuses it \(550 nadie@empresa.example: 5.1.1 No such mailbox\)"):
        send(server.block(), [TO[0], "nadie@empresa.example", TO[1]])
    assert server.attempts == [TO[0], "nadie@empresa.example"]
    assert server.mails == []


def test_a_wrong_password_is_told_without_it(server: MailServer) -> None:
    with pytest.raises(mail.MailError, match="refuses the user or password of the block") as caught:
        send(server.block(password="otra-clave-5b"))
    assert "otra-clave-5b" not in str(caught.value)
    assert server.mails == []


def test_a_certificate_that_is_not_trusted_is_refused(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(mail.MailError, match="is not trusted"):
        send(server.block())
    assert server.mails == []
    assert server.attempts == []


def test_a_block_without_tls_is_refused(server: MailServer) -> None:
    with pytest.raises(mail.MailError, match="Set its SMTP type to STARTTLS or SSL"):
        send(server.block(smtp_type="INSECURE"))
    assert server.mails == []


def test_a_mail_that_was_taken_was_sent_however_the_server_parts(server: MailServer) -> None:
    server.farewell = "421 4.3.2 Shutting down"
    send(server.block())
    assert [recipients for recipients, _ in server.mails] == [TO]


def test_of_a_mail_that_was_given_and_not_acknowledged_nobody_says_that_it_was_not_sent(server: MailServer) -> None:
    server.hangs_up = True
    with pytest.raises(mail.MailError, match=f"It is not known whether the mail was sent: 127.0.0.1:{server.port}"):
        send(server.block())


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening: refused
        port = taken.getsockname()[1]
        data = {"username": USER, "password": PASSWORD, "smtp_server": "127.0.0.1", "smtp_port": port}
        with pytest.raises(mail.MailError, match=f"127.0.0.1:{port} cannot be used"):
            send({**data, "smtp_type": "STARTTLS"})


def test_a_server_that_says_nothing_does_not_hold_the_run_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        data = {"smtp_server": "127.0.0.1", "smtp_port": silent.getsockname()[1], "smtp_type": "STARTTLS"}
        with pytest.raises(mail.MailError, match="timed out"):
            send(data)


@pytest.mark.parametrize(
    "wrong", ["", "ana", "ana@", "a b@x.example", "ana@x.example\nBcc: b@x.example", "ñ@x.example", "<a@x>"]
)
def test_what_is_no_address_is_named(wrong: str) -> None:
    with pytest.raises(mail.MailError, match="no mail address") as caught:
        mail.check_addresses(["ana@empresa.example", wrong])
    assert repr(wrong) in str(caught.value)
    assert "ana@empresa.example" not in str(caught.value)


def test_an_internal_server_may_be_taken_without_a_trusted_certificate(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    send(server.block(verify=False))
    assert [recipients for recipients, _ in server.mails] == [TO]
