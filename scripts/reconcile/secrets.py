"""Secrets by their looks: known shapes of tokens, passwords in addresses, keys that hold one; and their masks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

MASK: Final = "********"

_TOKEN_SHAPES: Final = {
    "a GitHub token": r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}",
    "a GitLab token": r"gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_-]{20,}",
    "a Prefect API key": r"pn[ub]_[A-Za-z0-9]{20,}",
    "an AWS access key": r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])",
    "a Slack token": r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a Slack webhook": r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,}",
    "a Google API key": r"AIza[A-Za-z0-9_-]{35}",
    "a Stripe key": r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}",
    "an OpenAI or Anthropic key": r"sk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_-]{32,}",
    "an npm or PyPI token": r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{40,}",
    "an Azure storage key": r"AccountKey=[A-Za-z0-9+/=]{40,}",
    # One word may stand before it; a search that began at each of many beginnings would never end.
    "a JSON web token": (
        r"(?<![A-Za-z0-9_-])(?:[A-Za-z0-9]{1,20}[_-])?eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}"
    ),
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
}
_TOKENS: Final = {name: re.compile(shape) for name, shape in _TOKEN_SHAPES.items()}
_ANY_TOKEN: Final = re.compile("|".join(f"(?:{shape})" for shape in _TOKEN_SHAPES.values()))
_URL_PASSWORD: Final = re.compile(
    r"(?P<before>[A-Za-z][A-Za-z0-9+.-]{0,30}://)(?P<user>[^/\s:@]*):(?P<password>[^/\s@]+)@"
)
_URL_TOKEN: Final = re.compile(r"(?P<before>https?://)(?P<user>[^/\s:@]{20,})@")
_SECRET_KEY: Final = re.compile(
    r"(?:^|[_.-])(?:pass(?:word|wd|phrase)?|pwd|contrase(?:ñ|n)a|clave|secret|token|access_?token|api_?key|private_?key|"
    r"access_?key|secret_?key|credentials?)(?:$|[_.-])",
    re.IGNORECASE,
)


def secret_in_text(text: str) -> str | None:
    """What kind of secret stands in the text, in words, or None."""
    for name, shape in _TOKENS.items():
        if shape.search(text):
            return name
    found = _URL_PASSWORD.search(text)
    if found and not _is_placeholder(found["password"]):
        return "a password in an address"
    found = _URL_TOKEN.search(text)
    if found and not _is_placeholder(found["user"]):
        return "a token in an address"
    return None


def secrets_in_comments(text: str, data: Any) -> Iterator[tuple[int, str]]:
    """Every secret in a comment of a file of YAML, as its offset and what it is.

    What stands in the file's data too was found there: a # may be part of a text.
    """
    if "#" not in text:
        return
    known: list[str] | None = None
    for comment in _COMMENT.finditer(text):
        for at, said, kind in _secrets_at(comment.group()):
            known = [_at(data, path) for path, _ in secrets_in(data)] if known is None else known
            if not any(said in value for value in known):
                yield comment.start() + at, kind


_COMMENT: Final = re.compile(r"(?:(?<=[ \t])|^)#[^\r\n]+", re.MULTILINE)


def _secrets_at(text: str) -> Iterator[tuple[int, str, str]]:
    for name, shape in _TOKENS.items():
        for found in shape.finditer(text):
            yield found.start(), found.group(), name
    for shape, part, name in (
        (_URL_PASSWORD, "password", "a password in an address"),
        (_URL_TOKEN, "user", "a token in an address"),
    ):
        for found in shape.finditer(text):
            if not _is_placeholder(found[part]):
                yield found.start(), found.group(), name


def _at(data: Any, path: tuple[str | int, ...]) -> str:
    for step in path:
        data = data[step]
    return str(data)


def names_a_secret(key: str) -> bool:
    """Whether a key's name says that its value is a secret (`password`, `api_key`, `clave-softland`)."""
    return bool(_SECRET_KEY.search(_SNAKE.sub("_", key)))


_SNAKE: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def secrets_in(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every secret in a value of JSON, as the path to it and what it is. Placeholders of Prefect are none."""
    if isinstance(value, str):
        kind = secret_in_text(value)
        if kind is not None:
            yield at, kind
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from secrets_in(item, (*at, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from secrets_in(item, (*at, index))


def mask_text(text: str) -> str:
    """The text without its secrets."""
    text = _ANY_TOKEN.sub(MASK, text)
    text = _URL_PASSWORD.sub(lambda found: f"{found['before']}{MASK}@", text)
    return _URL_TOKEN.sub(lambda found: f"{found['before']}{MASK}@", text)


def mask(value: Any, key: str = "") -> Any:
    """The value fit to be shown: secrets by their looks, and anything under a key that names one, are masked.

    A placeholder such as `{{ prefect.blocks.secret.x }}` names a secret and holds none, so it stays.
    """
    if isinstance(value, str):
        return MASK if names_a_secret(key) and value and not _is_placeholder(value) else mask_text(value)
    if isinstance(value, Mapping):
        return {name: mask(item, key if names_a_secret(key) else str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask(item, key) for item in value]
    return MASK if names_a_secret(key) and isinstance(value, int | float) and not isinstance(value, bool) else value


def _is_placeholder(text: str) -> bool:
    rest = "".join(_between_placeholders(text))
    return rest != text and not rest.strip(" :@")


def _between_placeholders(text: str) -> Iterator[str]:
    """A pattern would begin anew at each brace of a million."""
    at = 0
    while (start := text.find("{{", at)) >= 0 and (end := text.find("}}", start + 2)) >= 0:
        yield text[at:start]
        at = end + 2
    yield text[at:]
