"""Output on terminals: of characters that their encoding lacks, or that would control them."""

import codecs
import sys
from io import TextIOWrapper

_ERROR_HANDLER = "whippet.terminal"
_ASCII = {"…": "...", "✓": "+", "✗": "x"}


def use_terminal_encoding() -> None:
    """Print ASCII for each character that the encoding lacks, instead of raising an error.

    The marks of a step become `...`, `+` and `x`, any other character a backslash escape.
    """
    codecs.register_error(_ERROR_HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_ERROR_HANDLER)


def printable(text: str) -> str:
    """Return the text with escapes for characters that would move a terminal's cursor."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    escaped = character.encode("ascii", "backslashreplace").decode("ascii")
    return _ASCII.get(character, escaped), error.start + 1
