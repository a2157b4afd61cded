"""The traps of YAML 1.1, each named in words that say what YAML made of the text and how to write what was meant.

Pure functions over a file's text and offsets into it; `document` calls them while it reads.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from reconcile.problem import Severity


class Trap(NamedTuple):
    """A fault at an offset of the text; up to `end` other faults would only be its consequence."""

    at: int
    code: str
    message: str
    hint: str
    end: int = 0
    severity: Severity = Severity.ERROR


QUOTE_IT: Final = "Put the whole value in quotes."


def shorten(text: str, limit: int = 40) -> str:
    """A text that fits into a message of one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def line_at(text: str, offset: int) -> str:
    """The whole line that an offset stands in."""
    return text[_line_start(text, offset) : _line_end(text, offset)]


def rest_of_line(text: str, offset: int) -> str:
    """What stands from an offset to the end of its line."""
    return text[offset : _line_end(text, offset)]


def _line_start(text: str, offset: int) -> int:
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def _line_end(text: str, offset: int) -> int:
    match = BREAK.search(text, offset)
    return match.start() if match else len(text)


BREAK = re.compile(r"\r\n|\r|\n")


# ---------------------------------------------------------------- the text as a whole

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_CONFLICT = re.compile(r"^(?:<{7}|>{7})(?: .*)?$", re.MULTILINE)
_CONFLICT_END = re.compile(r"^>{7}(?: .*)?$", re.MULTILINE)


def in_text(text: str) -> Iterator[Trap]:
    """What makes a text unreadable before any YAML: leftovers of a merge, characters that cannot be seen."""
    end = 0
    while match := _CONFLICT.search(text, end):
        closing = match if match[0].startswith(">") else _CONFLICT_END.search(text, match.end())
        end = closing.end() if closing else len(text)
        yield Trap(
            match.start(),
            "merge-conflict",
            "a merge of git was left unfinished here",
            "Keep the lines you want between '<<<<<<<' and '>>>>>>>', then delete the markers.",
            end,
        )
    if hidden := _UNPRINTABLE.search(text):
        yield Trap(
            hidden.start(),
            "control-character",
            f"the invisible character U+{ord(hidden.group()):04X} cannot stand in YAML",
            'Delete it; where it is meant, write it as an escape in double quotes, such as "\\x07".',
        )


# ---------------------------------------------------------------- plain (unquoted) values

_TAG: Final = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)?\.[0-9]*(?:[eE][-+][0-9]+)?")
_OTHER_NUMBER = re.compile(r"[-+]?(?:0o[0-7]+|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+)")
_NUMBER_START: Final = frozenset("0123456789+-.")
_LARGEST: Final = 2**63 - 1
_BASES: Final = {"0x": 16, "0b": 2}

Finding = tuple[Any, str, str, str]
"""What an unquoted value stands for, and the fault in writing it so: code, message, hint ("" without one)."""


def _fine(value: Any) -> Finding:
    return value, "", "", ""


def plain_value(text: str, tag: str | None) -> Finding:
    """What an unquoted value stands for; `tag` is the type that YAML 1.1 gives it, None for text."""
    if tag is None:
        return _other_number(text) if text[0] in _NUMBER_START else _fine(text)
    kind = tag.removeprefix(_TAG)
    if kind == "null":
        return _fine(None)
    if kind == "bool":
        return _boolean(text)
    if kind in ("int", "float") and ":" not in text:  # 12:30:00 is base 60 in YAML 1.1: here it stays text
        return _integer(text) if kind == "int" else _float(text)
    return _fine(text)


def _boolean(text: str) -> Finding:
    meant = text.lower()
    if meant in ("true", "false"):
        return _fine(meant == "true")
    read = "true" if meant in ("yes", "on") else "false"
    return (
        text,
        "boolean-word",
        f"YAML reads {text} as {read}",
        f'Write {read} if that is meant, or "{text}" in quotes for the text.',
    )


def _integer(text: str) -> Finding:
    if not _INTEGER.fullmatch(text):
        return _ambiguous(text, _yaml_integer(text))
    if len(text) > 20 or abs(int(text)) > _LARGEST:
        return (
            text,
            "number-too-large",
            f"{shorten(text)} is larger than a number that Prefect can store (64 bits)",
            f'Write "{shorten(text)}" in quotes for the text.',
        )
    return _fine(int(text))


def _yaml_integer(text: str) -> str:
    """What YAML 1.1 makes of an integer written in another way than in plain decimal digits."""
    sign, digits = ("-" if text[0] == "-" else ""), text.lstrip("+-").replace("_", "")
    base = _BASES.get(digits[:2], 8 if digits[0] == "0" and len(digits) > 1 else 10)
    if len(digits) > 30:
        return "another number"
    number = int(digits, base)
    return f"the number {sign if number else ''}{number}{' (octal)' if base == 8 else ''}"


def _float(text: str) -> Finding:
    lower = text.lower().lstrip("+-")
    if lower in (".nan", ".inf"):
        return _not_a_number(text)
    if not _FLOAT.fullmatch(text):
        return _ambiguous(text, f"the number {float(text.replace('_', ''))}")
    number = float(text)
    return _fine(number) if math.isfinite(number) else _not_a_number(text)


def _not_a_number(text: str) -> Finding:
    message = f"{shorten(text)} is no number that Prefect can store"
    return text, "not-a-number", message, f'Write a finite number, or "{shorten(text)}" in quotes for the text.'


def _other_number(text: str) -> Finding:
    return _ambiguous(text, "text, though it looks like a number") if _OTHER_NUMBER.fullmatch(text) else _fine(text)


def _ambiguous(text: str, read: str) -> Finding:
    shown = shorten(text)
    return (
        text,
        "ambiguous-number",
        f"YAML reads {shown} as {read}",
        f'Write "{shown}" in quotes for the text, or the number in plain decimal digits.',
    )


_CUT = re.compile(r"[ \t]+(#\w[^\r\n]*)")
_INVISIBLE: Final = frozenset("\u00a0\u00ad\u2007\u200b\u200c\u200d\u200e\u200f\u202f\u2060\u3000")
_OPENING: Final = frozenset("“”„‟‘’‚‛")
_CLOSING: Final = frozenset("“”‟‘’‛")


def around_plain(text: str, at: int, end: int) -> Trap | None:
    """The fault of an unquoted text that its first, last or next character shows."""
    if end < len(text) and text[end] in " \t" and (cut := _CUT.match(text, end)):
        return _cut(text, at, end, cut.group(1))
    first, last = text[at], text[end - 1]
    if first in _OPENING and last in _CLOSING and end - at > 1:
        message = f"the curly quotes {first} and {last} are no quotes for YAML: they become part of the text"
        return Trap(at, "curly-quotes", message, "Write straight quotes, \" or '.", end)
    if first in _INVISIBLE or last in _INVISIBLE or ":\u00a0" in text[at:end]:
        return _invisible(text, at, end)
    return None


def after_empty(text: str, before: int) -> Trap | None:
    """The fault of a value that is empty because a `#` begins it; `before` is where its key or dash ends."""
    cut = _EMPTY_CUT.match(text, before)
    return _cut(text, cut.start(1), cut.start(1), cut.group(1)) if cut else None


_EMPTY_CUT = re.compile(r"[ \t]*:?[ \t]+(#\w[^\r\n]*)")


def _cut(text: str, at: int, end: int, comment: str) -> Trap:
    left = f"leaves only '{shorten(text[at:end])}'" if text[at:end].strip() else "leaves nothing"
    return Trap(
        at,
        "cut-by-comment",
        f"a # after a space begins a comment: '{shorten(comment)}' is lost, which {left}",
        "Put the whole text in quotes; if it is a comment, leave a space after the #.",
        _line_end(text, end) + (":" in comment),  # the colon of a key is lost too: the next line cannot fit
    )


def _invisible(text: str, at: int, end: int) -> Trap:
    offset = next(i for i in range(at, end) if text[i] in _INVISIBLE)
    return Trap(
        offset,
        "invisible-space",
        f"the invisible character U+{ord(text[offset]):04X} looks like a space, but is text for YAML",
        "Delete it and write a common space; it often comes from copying out of a web page or Word.",
        end,
    )


_MISSING_SPACE = re.compile(r"(?:- +)*[\"']?[A-Za-z_][\w-]*[\"']?:(?!//|[\\/])\S")


def missing_space(line: str) -> bool:
    """Whether a text reads like `key:value`, which is one text for YAML."""
    return bool(_MISSING_SPACE.match(line))


# ---------------------------------------------------------------- double quotes

_ESCAPE = re.compile(r"\\(?:\r\n|.)", re.DOTALL)
_HARMLESS: Final = frozenset('\\"/ \t\r\n')
_CONTROLS: Final = frozenset("abefv0")
_DRIVE = re.compile(r"(?:^|[^A-Za-z])[A-Za-z]:\\(?![\\\"])")
_UNC = re.compile(r"\\\\[\w.$-]+\\[\w$]")
_RELATIVE = re.compile(r"\.{0,2}(?:\\?[\w$-]+)?(?:\\[\w$-]+)+\.[A-Za-z0-9]{1,5}(?::\w+)?|\.{1,2}\\[\w\\.$-]+")
_USER = re.compile(r"[\w.$-]+\\t[\w.$-]+")
_MEANINGS: Final = {"t": "a tab", "n": "a line break", "r": "a line break", "P": "a line break", "b": "a backspace"}


def double_quoted(text: str, at: int, end: int) -> Trap | None:
    """The fault of a text in double quotes whose backslashes were meant as such, as in a Windows path."""
    opening = text.index('"', at)
    raw = text[opening + 1 : end - 1]
    escapes = [match.group()[1] for match in _ESCAPE.finditer(raw)]
    silent = [escape for escape in escapes if escape not in _HARMLESS]
    if not silent:
        return None
    if _DRIVE.search(raw) or _UNC.match(raw) or _RELATIVE.fullmatch(raw) or _CONTROLS & set(silent):
        return backslash(at, raw, silent[0], end)
    if _USER.fullmatch(raw):
        return backslash(at, raw, "t", end)._replace(severity=Severity.WARNING)
    return None


def backslash(at: int, raw: str, escape: str, end: int) -> Trap:
    """The fault that a backslash in double quotes is."""
    single = re.split(r'["\r\n]', raw[:2] + raw[2:].replace("\\\\", "\\"))[0]
    meaning = _MEANINGS.get(escape, "another character")
    return Trap(
        at,
        "backslash-in-quotes",
        f"in double quotes YAML reads \\{escape} as {meaning}, not as a backslash",
        f"Write '{shorten(single)}' in single quotes, or with forward slashes.",
        end,
    )


_SURROGATE = re.compile(r"\\(?:u|U0000)[dD][89a-fA-F]")
_CLOSING_QUOTE = re.compile(r"\"(?=\s*(?:$|[,}\]#]|:\s))", re.MULTILINE)


def half_character(text: str, at: int, end: int) -> Trap | None:
    """The fault of an escape that is half of a character, which no text can hold; only libyaml refuses it."""
    match = _SURROGATE.search(text, at, end)
    return bad_escape(text, at, match.start()) if match else None


def bad_escape(text: str, start: int, at: int) -> Trap:
    """The fault of an escape that YAML does not know, in the double-quoted text that begins at `start`."""
    offset = max(text.rfind("\\", start, at + 1), start)
    closing = _CLOSING_QUOTE.search(text, offset + 1)
    end = min(_line_end(text, offset), closing.start() if closing else len(text))
    raw = text[text.index('"', start, offset + 1) + 1 : end]
    escape = text[offset + 1 : offset + 2]
    digits = " with these digits" if escape in ("x", "u", "U") else ""
    return Trap(
        start,
        "backslash-in-quotes",
        f"in double quotes \\{escape}{digits} is no escape that YAML knows: the backslash is not read as such",
        f"Write '{shorten(raw)}' in single quotes, or with forward slashes.",
        end,
    )


def without_backslashes(text: str, start: int, end: int) -> str:
    """The text with slashes in a quoted value that has a bad escape, so that reading can go on behind it."""
    return text[:start] + re.sub(r"\\(?!\")", "/", text[start:end]) + text[end:]


# ---------------------------------------------------------------- braces and commas

_CRON = re.compile(r"[\d*/,\-\sA-Za-z?#]*[\d*][\d*/,\-\s]*")


_COLON = re.compile(r"\s*:")


def has_colon(text: str, at: int) -> bool:
    """Whether a colon follows at an offset: a key that has one is a key, even without a value."""
    return _COLON.match(text, at) is not None


def unquoted_template(at: int, raw: str, end: int) -> Trap:
    """The fault of `{{ … }}` without quotes, which is a mapping in a mapping."""
    return Trap(
        at,
        "unquoted-template",
        f"{shorten(raw)} without quotes is a mapping for YAML, not a text",
        f'Write "{shorten(raw)}" in quotes.',
        end,
    )


def split_by_comma(at: int, key: str, value: str, whole: str) -> Trap:
    """The fault of a text within braces that its own comma cuts."""
    cron = key == "cron" or bool(_CRON.fullmatch(whole) and " " in whole)
    return Trap(
        at,
        "unquoted-cron" if cron else "unquoted-comma",
        f"within braces a comma ends the value: YAML reads only '{shorten(value)}' as {shorten(key)}",
        f'Write the {"cron" if cron else "text"} in quotes: {shorten(key)}: "{shorten(whole)}".',
        at + len(whole),
    )


def key_alone(at: int, key: str) -> Trap:
    """The fault of a key without a value within braces."""
    if missing_space(key):
        return no_space(at, key)
    return Trap(
        at,
        "key-without-value",
        f"expected '{shorten(key)}: value' within braces, but there is no value",
        f"Write '{{{shorten(key)}: …}}'; for a list use brackets, for a text in braces use quotes.",
    )


def no_space(at: int, text: str) -> Trap:
    """The fault of `key:value`."""
    key, _, value = text.partition(":")
    message = f"without a space after the colon, '{shorten(text)}' is one text for YAML"
    return Trap(at, "missing-space", message, f"Write '{shorten(key)}: {shorten(value)}'.", at + len(text))


# ---------------------------------------------------------------- what the parser refuses


class Refusal(NamedTuple):
    """What the parser said: where, where the thing it was reading begins, in which words, the open bracket."""

    at: int
    start: int
    words: str
    bracket: int | None


_KEY_LINE = re.compile(r"\s*(?:- +)*(?:\"[^\"]*\"|'[^']*'|[^\s\"'#\[\]{},][^#\[\]{},]*?):(?:\s|$)")
_STARS = re.compile(r"\*[\d*/,\-\s]*")
_RESERVED: Final = {
    "@": "is reserved",
    "`": "is reserved",
    "%": "is reserved",
    "*": "begins the use of an anchor",
    "&": "begins an anchor",
    "!": "begins a tag",
    "?": "begins a key",
    "-": "begins a list",
    ">": "begins a text of several lines",
    "|": "begins a text of several lines",
}


def syntax(text: str, refusal: Refusal) -> Trap:
    """The fault behind a refusal of the parser, by what stands where it stopped."""
    for rule in (_tab, _quoted, _reserved, _colon, _bracket, _key, _block):
        if trap := rule(text, refusal):
            return trap
    return Trap(
        refusal.at,
        "yaml-syntax",
        f"YAML cannot be read from here on: {refusal.words}",
        "Look at this line and the one above it: an indentation, a quote or a bracket may be missing.",
    )


def _tab(text: str, refusal: Refusal) -> Trap | None:
    indentation = re.match(r"\s*", line_at(text, refusal.at))
    at_tab = text[refusal.at : refusal.at + 1] == "\t" and "token" in refusal.words
    if not at_tab and not (indentation and "\t" in indentation.group()):
        return None
    start = _line_start(text, refusal.at)
    return Trap(
        refusal.at if at_tab else text.index("\t", start),
        "tab",
        "a tab cannot indent in YAML",
        "Replace it by spaces, two for each level; let the editor write spaces for the Tab key.",
    )


def _quoted(text: str, refusal: Refusal) -> Trap | None:
    if "hexdecimal" in refusal.words or "escape" in refusal.words:  # libyaml spells it hexdecimal
        return bad_escape(text, refusal.start, refusal.at)
    if "end of stream" in refusal.words and text[refusal.start : refusal.start + 1] in ("'", '"'):
        hint = "Close it; within single quotes a quote is written twice ('')."
        if text[refusal.start] == '"' and "\\" in line_at(text, refusal.start):
            hint = 'Close it; a backslash before the closing " undoes it: write a path in single quotes.'
        return Trap(refusal.start, "unclosed-quote", "this quote is never closed", hint)
    return None


def _reserved(text: str, refusal: Refusal) -> Trap | None:
    start = refusal.start if "alphabetic" in refusal.words or "scanning a" in refusal.words else refusal.at
    character = text[start : start + 1]
    ahead = text[start : _line_end(text, start)]
    if character == "*" and _STARS.match(ahead.rstrip("}], ")) and not re.match(r"\*\w*[A-Za-z]", ahead):
        return Trap(
            start,
            "unquoted-cron",
            "a * at the beginning of a value is the use of an anchor for YAML, not a cron",
            f'Write the cron in quotes: "{shorten(ahead.split("}")[0].split(" #")[0].strip())}".',
        )
    said = ("token", "alphabetic", "allowed", "block scalar", "directive", "scanning a tag", "scanning an a")
    if character not in _RESERVED or not any(word in refusal.words for word in said):
        return None
    if character == "-" and "allowed" in refusal.words and line_at(text, start).lstrip().startswith("-"):
        return None
    message = f"a value cannot begin with {character}, which {_RESERVED[character]} in YAML"
    return Trap(start, "reserved-character", message, QUOTE_IT)


def _colon(text: str, refusal: Refusal) -> Trap | None:
    if text[refusal.at : refusal.at + 1] != ":" or not re.search(
        "allowed|expected ',' or|unexpected ':'", refusal.words
    ):
        return None
    before = text[_line_start(text, refusal.at) : refusal.at]
    if not _KEY_LINE.match(f"{before} ") and not re.search(r"[{,]\s*[^\s:]+:\s", before):
        return None
    return Trap(
        refusal.at,
        "colon-in-text",
        "a colon ends a key in YAML: this one stands within a value",
        QUOTE_IT,
    )


def _bracket(text: str, refusal: Refusal) -> Trap | None:
    if refusal.bracket is None:
        return None
    same_line = _line_start(text, refusal.bracket) == _line_start(text, refusal.at)
    at_end = not text[refusal.at :].strip()
    if at_end or (not same_line and _KEY_LINE.match(line_at(text, refusal.at))):
        closing = {"{": "}", "[": "]"}.get(text[refusal.bracket], "}")
        message = f"this {text[refusal.bracket]} is never closed"
        return Trap(refusal.bracket, "unclosed-bracket", message, f"Close it with {closing}.")
    if re.search("',' or", refusal.words):
        message = "expected a comma or the closing bracket here"
        return Trap(refusal.at, "text-after-value", message, "Separate values by commas; put texts in quotes.")
    return None


def _key(text: str, refusal: Refusal) -> Trap | None:
    if "could not find expected ':'" not in refusal.words:
        return None
    line = line_at(text, refusal.start)
    if cut := re.search(r"[ \t]#\w", line):
        end = _line_start(text, refusal.start) + cut.start()
        return _cut(text, refusal.start, end, text[end + 1 : _line_end(text, end)])
    if missing_space(line.lstrip()):
        return no_space(refusal.start, text[refusal.start : _line_end(text, refusal.start)])
    return Trap(
        refusal.start,
        "missing-colon",
        f"expected 'key: value', but '{shorten(line)}' has no colon",
        "Add the colon; if the line goes on with the text above, indent it deeper.",
    )


def _block(text: str, refusal: Refusal) -> Trap | None:
    if not re.search("did not find expected|expected (?:<|the node)|but found|allowed", refusal.words):
        return None
    before = text[_line_start(text, refusal.at) : refusal.at].rstrip()
    if before.endswith(("'", '"', "}", "]")):
        what = "the closing quote" if before[-1] in "'\"" else f"the closing {before[-1]}"
        return Trap(
            refusal.at,
            "text-after-value",
            f"expected the end of the line after {what}, but the text goes on",
            f"{QUOTE_IT} Quotes within it: single ones around double ones, or the other way round.",
        )
    if text[refusal.at : refusal.at + 1] == ":" and (not before.strip("- ") or before.endswith(("{", ","))):
        return Trap(refusal.at, "key-not-text", "expected a key before the colon", "Write the key, or delete the line.")
    if trap := _line_above(text, refusal.at):
        return trap
    if not before.strip("- ") or "allowed" in refusal.words:
        return Trap(
            refusal.at,
            "indentation",
            "this line is indented like nothing that it could belong to",
            "Align it with the keys that it stands beside, two spaces deeper than what it belongs to.",
        )
    return None


_LOST_COLON = re.compile(r"\s*(?:- +)*[^\s\"'#][^\"'#:]*[ \t](#\w[^\r\n]*:.*)")


def _line_above(text: str, at: int) -> Trap | None:
    """The fault of the line above, when it makes this one not fit: its colon is in a comment, or lacks its space."""
    above = _line_start(text, at)
    end = len(text[:above].rstrip())
    start = _line_start(text, end)
    line = text[start:end]
    first = start + len(line) - len(line.lstrip())
    if cut := _LOST_COLON.fullmatch(line):
        return _cut(text, first, start + cut.start(1), cut.group(1))
    if missing_space(line.lstrip()):
        return no_space(first, line.lstrip())
    return None
