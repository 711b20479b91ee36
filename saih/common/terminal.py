"""Output to terminals: text from outside can neither send commands nor start a line of its own.

Names of files, messages of errors and libraries, locks and records may hold anything; an escape sequence among them
could move the cursor, set the clipboard or hide a line. Only this module and `saih.cli.progress` print for people.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from typing import Any, TextIO

_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, of marks without a shape (by which one name looks like another, such as
those that turn the direction of writing), of halves of characters, and of what ends lines and paragraphs."""


def printable(text: object) -> str:
    r"""The text as one line without commands to a terminal: each stands there as Python writes it, such as \x1b."""
    given = str(text)
    return given if given.isprintable() else "".join(map(_shown, given))


def say(text: object, error: bool = False) -> None:
    """Print one line for people, to standard output or standard error."""
    print(printable(text), file=sys.stderr if error else sys.stdout, flush=True)


class LossyStream:
    """A text stream that drops what cannot be written, so that long work outlives its reader, or a full disk.

    `lost` is the first error; from then on the stream's file is /dev/null.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or drop the text."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        """Flush, or drop what is buffered."""
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        self.lost = self.lost or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def survive_lost_output() -> None:
    """Let this process go on when its standard output or standard error can no longer be written."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, LossyStream):
            setattr(sys, name, LossyStream(stream))


def _shown(character: str) -> str:
    if character != "\t" and unicodedata.category(character) in _UNSEEN:
        return character.encode("unicode_escape").decode("ascii")
    return character
