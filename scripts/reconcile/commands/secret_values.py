"""The values of secrets on their way to the server: taken from the environment, put into a request, seen by nobody."""

from __future__ import annotations

import os
from typing import Any, Final, Protocol
from urllib.parse import quote, unquote, urlsplit

from reconcile.errors import ServerError, UsageError
from reconcile.model import Secret
from reconcile.wire import Request

MAIL: Final = "email-server-credentials"
"""The block of prefect-email that mail is sent through."""

FIELDS: Final = {"secret": "value", "github-credentials": "token", "slack-webhook": "url", MAIL: "password"}
"""The field of each type of block that holds the secret."""

MAIL_TYPES: Final = {"smtp": "STARTTLS", "smtps": "SSL"}
"""How prefect-email's block names the two ways to a mail server that are encrypted."""

MAIL_FORM: Final = "smtp://USER:PASSWORD@HOST:587 (STARTTLS) or smtps://USER:PASSWORD@HOST:465"
"""The value of a block of that type, which has several fields."""


def data_of(secret: Secret, value: str) -> dict[str, Any]:
    """The fields that a value gives a block. Raises UsageError, which does not repeat it."""
    if secret.block_type != MAIL:
        return {FIELDS[secret.block_type]: value}
    try:
        parts = urlsplit(value.strip())
        host, port, login = parts.hostname, parts.port, (parts.username, parts.password)
    except ValueError:  # a port that is none
        parts, host, port, login = urlsplit(""), None, None, (None, None)
    if parts.scheme not in MAIL_TYPES or not host or parts.path.strip("/") or any(login) != all(login):
        raise UsageError(
            f"The value of {secret.block} is no address of a mail server.",
            f"Give it as {MAIL_FORM}; write / @ : and % of a user or password as %2F %40 %3A and %25.",
        )
    user, password = (unquote(one or "") for one in login)
    return {
        "smtp_server": host,
        "smtp_type": MAIL_TYPES[parts.scheme],
        **({"smtp_port": port} if port is not None else {}),
        **({"username": user, "password": password} if user else {}),
    }


class Reader(Protocol):
    """What is asked of the server to make a block."""

    def get(self, path: str) -> Any:
        """What a GET answers."""
        ...

    def post(self, path: str, body: Any) -> Any:
        """What a reading POST answers."""
        ...


def secret_from_environment(reader: Reader, secret: Secret) -> Request:
    """The request that makes a secret with the value that its variable of the environment has. Raises ServerError."""
    value = os.environ.get(secret.from_env or "")
    if not value:  # a plan says so before anything is written
        raise ServerError(f"The environment variable {secret.from_env} is not set any more.")
    try:
        return create_secret(reader, secret, value)
    except UsageError as error:
        raise ServerError(f"{error.message} It comes from {secret.from_env}.", error.hint) from None


def create_secret(reader: Reader, secret: Secret, value: str) -> Request:
    """The request that makes a secret. Raises ServerError where the server does not know its type of block."""
    kind = reader.get(f"/block_types/slug/{quote(secret.block_type, safe='')}")["id"]
    schemas = reader.post("/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}, "limit": 1})
    if not schemas:
        raise ServerError(f"The server knows no form of the block type {secret.block_type}.")
    return Request(
        method="POST",
        path="/block_documents/",
        body={
            "name": secret.name,
            "data": data_of(secret, value),
            "block_type_id": kind,
            "block_schema_id": schemas[0]["id"],
        },
    )


def rotate_secret(secret: Secret, value: str) -> Request:
    """The request that gives a secret that stands another value; what else its block holds stays."""
    body = {"data": data_of(secret, value), "merge_existing_data": True}
    return Request(method="PATCH", path=f"/block_documents/{quote(secret.id or '')}", body=body)
