"""Output on terminals whose encoding lacks some characters."""

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


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    escaped = character.encode("ascii", "backslashreplace").decode("ascii")
    return _ASCII.get(character, escaped), error.start + 1
