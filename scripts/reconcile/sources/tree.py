"""What can be read of a source: a tree of files, whether of a folder or of a commit."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from reconcile.errors import SourceError
from reconcile.pull import inside

MAX_FILE: Final = 2 * 1024 * 1024
"""The largest file that is read, in bytes. Larger ones are not even fetched where the server can leave them out."""


class Tree(Protocol):
    """The files of a source, readable."""

    @property
    def label(self) -> str:
        """The source in words, for messages."""

    @property
    def commit(self) -> str | None:
        """The commit that is read; None for a folder."""

    def read(self, path: str) -> str | None:
        """The text of a file, given relative to the tree; None when there is none.

        A SourceError says why a file that is there cannot be read: too large, not text, outside by a symlink.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderTree:
    """The files of a folder of this machine, as they stand."""

    label: str
    folder: Path
    commit: str | None = None

    def read(self, path: str) -> str | None:
        """See Tree.read."""
        name = inside(path, f"The file {path!r}")
        try:
            file = (self.folder / name).resolve()
            if not file.is_relative_to(self.folder):
                raise leaves(path, self.label)
            if not file.is_file():
                return None
            with file.open("rb") as stream:
                data = stream.read(MAX_FILE + 1)
        except ValueError:  # a text that no file's name can be
            return None
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symlinks, before Python 3.13
            cause = getattr(error, "strerror", None) or "its symbolic links lead in a circle"
            raise SourceError(f"{path} of {self.label} cannot be read ({cause}).", "Check its permissions.") from None
        if len(data) > MAX_FILE:
            raise too_large(path, self.label)
        return text_of(data, path, self.label)


def text_of(data: bytes, path: str, label: str) -> str:
    """A file's text, as Python reads it; a SourceError when its bytes are not the encoding it declares."""
    try:
        return importlib.util.decode_source(data)  # PEP 263, byte order mark, any line ending
    except (SyntaxError, UnicodeError, LookupError) as error:
        raise SourceError(
            f"{path} of {label} is not text in the encoding it declares ({error}).",
            "Save it as UTF-8, or declare its encoding in its first line: `# -*- coding: latin-1 -*-`.",
        ) from None


def too_large(path: str, label: str) -> SourceError:
    """The error of a file beyond MAX_FILE."""
    return SourceError(
        f"{path} of {label} is larger than {MAX_FILE // 1024 // 1024} MB, which no flow's file is.",
        "Check the entrypoint, or name the flow with `flow:`.",
    )


def leaves(path: str, label: str) -> SourceError:
    """The error of a symbolic link that leads out of the tree."""
    return SourceError(
        f"{path} of {label} leads out of it by a symbolic link, so it is not read.", "Put the file itself there."
    )
