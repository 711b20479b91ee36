"""Output to terminals: text from outside can neither send commands nor start a line of its own.

Names of files, messages of errors and libraries, locks and records may hold anything; an escape sequence among them
could move the cursor, set the clipboard or hide a line. Only this module and `saih.cli.progress` print for people.
"""

from __future__ import annotations

import sys
import unicodedata

_COMMANDS = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, halves of characters, and what ends lines and paragraphs."""
_TURNS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the direction of writing, by which one name looks like another."""


def printable(text: object) -> str:
    r"""The text as one line without commands to a terminal: each stands there as Python writes it, such as \x1b."""
    given = str(text)
    return given if given.isprintable() else "".join(map(_shown, given))


def say(text: object, error: bool = False) -> None:
    """Print one line for people, to standard output or standard error."""
    print(printable(text), file=sys.stderr if error else sys.stdout, flush=True)


def _shown(character: str) -> str:
    if character in _TURNS or (character != "\t" and unicodedata.category(character) in _COMMANDS):
        return character.encode("unicode_escape").decode("ascii")
    return character
