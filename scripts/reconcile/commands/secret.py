"""`secret set NAME`: makes or rotates a secret of the server, whose value is typed unseen, piped or in the environment.

A value that is the token of git sources is tried there first, and kept only if every one of them takes it. It stands in
no argument list, address, file or message.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from reconcile.commands import output
from reconcile.commands.options import add_root, add_server, filter_of, root_of
from reconcile.commands.secret_values import FIELDS, create_secret, rotate_secret
from reconcile.commands.session import TOOL, Files, Session, open_session, say
from reconcile.commands.uses import users_of
from reconcile.desired.besides import besides
from reconcile.errors import ExitCode, ReconcileError, UsageError
from reconcile.model import Kind, ResourceKey, Secret
from reconcile.observed import observed
from reconcile.pull import without_login
from reconcile.render.escape import safe
from reconcile.render.text import Line
from reconcile.resolve import git_sources, nearest
from reconcile.sources import default_cache, refusal_of

NAME: Final = re.compile(r"[a-z0-9-]{1,255}")


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("action", choices=["set"], metavar="set", help="make the secret, or give it another value")
    parser.add_argument("name", metavar="NAME", help="the name of its block")
    parser.add_argument(
        "--from-env",
        metavar="VAR",
        default=None,
        help="take the value from this environment variable",
    )
    parser.add_argument(
        "--type", choices=sorted(FIELDS), default=None, help="the type of its block; otherwise as declared, or secret"
    )
    add_root(parser)
    add_server(parser)


def run(options: Namespace) -> ExitCode:
    """Take the value, try it where it is a git token, write it, and say so without showing it."""
    if not NAME.fullmatch(options.name):
        raise UsageError(
            f"{options.name!r} is no name of a block.", "Block names have small letters, digits and hyphens."
        )
    options = Namespace(**{"env": [], "area": [], "only": [], **vars(options)})
    root = root_of(options, TOOL)
    given = _from_environment(options.from_env) if options.from_env is not None else None
    with open_session(
        root, local=options.local, select=lambda files: filter_of(options, files.repository), need_env=False
    ) as session:
        secret = _asked_for(session.files, options)
        value = given if given is not None else _read_value(secret)
        tried = _tried(session.files, secret, value)
        document = {**_written(session, secret, value), "tried": tried}
    if options.json:
        output.document(document)
    else:
        output.lines(_lines(document))
    return ExitCode.DONE


def _asked_for(files: Files, options: Namespace) -> Secret:
    """The block that is meant: as it is declared, unless the command line says its type."""
    declared = [one.resource for one in besides(files.repository).declared]
    secrets = [one for one in declared if isinstance(one, Secret)]
    types = {one.block_type for one in secrets if one.name == options.name}
    if options.type is not None and types and options.type not in types:
        raise UsageError(
            f"The secret {options.name} is declared as {' and '.join(sorted(types))}, not as {options.type}.",
            "Leave --type out, or correct its declaration.",
        )
    if not types and secrets:
        hint = nearest(options.name, (one.name for one in secrets))
        say(f"No file declares the secret {options.name}. {hint if hint.startswith('Did') else ''}".strip())
    return Secret(name=options.name, block_type=options.type or next(iter(sorted(types)), "secret"))


# ---------------------------------------------------------------- the value


def _from_environment(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise UsageError(f"The environment variable {name} is not set, or empty.", "Set it, or leave --from-env out.")
    return value


def _read_value(secret: Secret) -> str:
    value = _typed(secret) if sys.stdin is not None and sys.stdin.isatty() else _piped()
    if not value:
        raise UsageError(
            "There is no value: nothing was typed, and nothing came in.",
            "Type it, pipe it in, or name the environment variable that has it with --from-env.",
        )
    return value


def _typed(secret: Secret) -> str:
    """A line from the terminal that is not shown. Where it cannot be hidden it is not asked for."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"Value of {secret.block} (not shown): ", stream=sys.stderr)
        except EOFError:
            return ""
        except getpass.GetPassWarning:
            raise UsageError(
                "This terminal cannot hide what is typed.", "Pipe the value in, or use --from-env."
            ) from None


def _piped() -> str:
    """All of standard input, without the line's end that `echo` adds."""
    if sys.stdin is None:
        return ""
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise UsageError("Standard input is no text in UTF-8.", "Pipe it in as UTF-8, or use --from-env.") from None
    return text.removesuffix("\n").removesuffix("\r")


# ---------------------------------------------------------------- git tokens


def _tried(files: Files, secret: Secret, value: str) -> list[str]:
    """The addresses that took the value as their token. Raises ReconcileError at the first that does not."""
    urls = sorted(set(_addresses(files, secret)))
    if urls and (not value.isprintable() or any(character.isspace() for character in value)):
        raise ReconcileError(
            f"The value is no token: it has spaces, line ends or control characters. {secret.block} stays as it was.",
            "Copy the token alone.",
        )
    for url in urls:
        shown = without_login(url)
        say(f"Trying it at {safe(shown)} …")
        refusal = refusal_of(url, block=secret.block, token=value, cache=default_cache())
        if refusal is not None:
            message = refusal.message.rstrip(".").replace(value, "********")
            raise ReconcileError(f"{shown}: {message}. {secret.block} stays as it was.", refusal.hint)
    return [without_login(url) for url in urls]


def _addresses(files: Files, secret: Secret) -> Iterator[str]:
    for source in git_sources(files.repository):
        if source.block == secret.block:
            yield source.url


# ---------------------------------------------------------------- the server


def _written(session: Session, secret: Secret, value: str) -> dict[str, Any]:
    from reconcile.gateway.writing import Writing

    reading = session.reading
    blocks = reading.rows("/block_documents/filter", {"include_secrets": False})
    state = observed(replace(reading.read(), blocks=blocks))
    standing = state.secrets.get(secret.block)
    request = create_secret(reading, secret, value) if standing is None else rotate_secret(standing, value)
    with Writing(session.target) as writing:
        writing.write(request)
    users = users_of(state).get(ResourceKey(kind=Kind.SECRET, name=secret.block), ())
    return {
        "secret": secret.name,
        "type": secret.block_type,
        "target": session.target.url,
        "action": "create" if standing is None else "rotate",
        "used_by": list(users),
    }


def _lines(document: dict[str, Any]) -> Iterable[Line]:
    block = f"{document['type']}/{document['secret']}"
    done = "was made" if document["action"] == "create" else "has another value now"
    yield Line(f"{safe(block)} {done} on {safe(document['target'])}.", "good")
    for url in document["tried"]:
        yield Line(f"  tried at {safe(url)}", "dim")
    for user in document["used_by"]:
        yield Line(f"  used by {safe(user)}", "dim")
