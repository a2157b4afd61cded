"""The value of a secret becomes the fields of its block."""

from __future__ import annotations

from typing import Any

import pytest

from reconcile.commands.secret_values import data_of, secret_from_environment
from reconcile.errors import ServerError, UsageError
from reconcile.model import Secret

MAIL = Secret(name="correo", block_type="email-server-credentials", from_env="CORREO")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("secret", {"value": "smtp://x"}),
        ("github-credentials", {"token": "smtp://x"}),
        ("slack-webhook", {"url": "smtp://x"}),
    ],
)
def test_a_block_with_one_secret_field_takes_the_value_as_it_is(kind: str, data: dict[str, Any]) -> None:
    assert data_of(Secret(name="clave", block_type=kind), "smtp://x") == data


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (
            "smtp://avisos%40example.com:cl%2Fave%25@smtp.example.com:587",
            {
                "smtp_server": "smtp.example.com",
                "smtp_type": "STARTTLS",
                "smtp_port": 587,
                "username": "avisos@example.com",
                "password": "cl/ave%",
            },
        ),
        (
            "smtps://u:p@correo.example.com",
            {"smtp_server": "correo.example.com", "smtp_type": "SSL", "username": "u", "password": "p"},
        ),
        ("smtp://localhost:2525/", {"smtp_server": "localhost", "smtp_type": "STARTTLS", "smtp_port": 2525}),
    ],
)
def test_an_address_of_a_mail_server_gives_the_fields_of_its_block(value: str, data: dict[str, Any]) -> None:
    assert data_of(MAIL, value) == data


WRONG = [
    "",
    "cl4ve-secreta",
    "http://u:cl4ve-secreta@h",
    "smtp://u:cl4ve-secreta@",
    "smtp://u@h:587",
    "smtp://u:cl4ve-secreta@h:port",
    "smtp://u:cl4ve-secreta@h:99999",
    "smtp://u:cl4ve-secreta@[h",
    "smtp://u:cl4ve-secreta@h/path",
]


@pytest.mark.parametrize("value", WRONG)
def test_what_is_no_such_address_is_not_repeated(value: str) -> None:
    with pytest.raises(UsageError) as raised:
        data_of(MAIL, value)
    assert "cl4ve-secreta" not in raised.value.message + raised.value.hint
    assert "smtp://USER:PASSWORD@HOST:587" in raised.value.hint


def test_an_apply_says_which_variable_holds_such_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    class Server:
        """Knows the block's type, and its form."""

        def get(self, path: str) -> Any:
            return {"id": "1"} if path == "/block_types/slug/email-server-credentials" else None

        def post(self, path: str, body: Any) -> Any:
            return [{"id": "2"}]

    monkeypatch.setenv("CORREO", "cl4ve-secreta")
    with pytest.raises(ServerError, match="It comes from CORREO") as raised:
        secret_from_environment(Server(), MAIL)
    assert "cl4ve-secreta" not in str(raised.value)
    monkeypatch.setenv("CORREO", "smtp://h")
    request = secret_from_environment(Server(), MAIL)
    assert request.body["data"] == {"smtp_server": "h", "smtp_type": "STARTTLS"}
