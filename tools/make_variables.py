"""Options of tools that make starts: they come from make's variables, and messages name those.

The Makefile passes each variable in the environment, as WHIPPET_ and its name, so that no shell
interprets it.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

_FROM_MAKE: Final = "--from-make"


def number_between(
    least: float, most: float, meaning: str = "", *, above: bool = False
) -> Callable[[str], float]:
    """Return the type of an option that is a number within bounds.

    Args:
        least: the lower bound.
        most: the upper bound.
        meaning: the unit, for the message.
        above: whether the number must be greater than the lower bound.
    """
    bounds = f"above {least:.10g}, up to" if above else f"from {least:.10g} to"
    expected = f"expected a number {bounds} {most:.10g} {meaning}".rstrip()

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most or (above and value == least):
            raise argparse.ArgumentTypeError(f"{text!r}: {expected}")
        return value

    return read


class MakeParser(argparse.ArgumentParser):
    """Reads make's variables if the command line has `--from-make`.

    Args:
        variables: make's variable by option (`--port`) or positional argument (`image`).
        named: as of `argparse.ArgumentParser`.
    """

    def __init__(self, *, variables: Mapping[str, str], **named: Any) -> None:
        super().__init__(**named)
        self._variables = variables
        self._from_make = _FROM_MAKE in sys.argv[1:]

    def parse(self) -> argparse.Namespace:
        """Return the options; exit with 2 if one is not valid."""
        return self.parse_args(self._arguments_of_make() if self._from_make else None)

    def error(self, message: str) -> NoReturn:
        """Exit with 2 after a message."""
        if not self._from_make:
            super().error(message)
        for name, variable in self._variables.items():
            message = message.replace(f"argument {name}:", f"{variable}:")
            if name.startswith("-"):
                message = message.replace(name, variable)
        self.exit(2, f"{message}\n")

    def _arguments_of_make(self) -> list[str]:
        values = {
            name: os.environ.get(f"WHIPPET_{variable}", "")
            for name, variable in self._variables.items()
        }
        # In one piece and after `--`, so that a value may begin with a hyphen.
        options = [f"{name}={value}" for name, value in values.items() if value and name[0] == "-"]
        positional = [value for name, value in values.items() if name[0] != "-"]
        others = [argument for argument in sys.argv[1:] if argument != _FROM_MAKE]
        return [*others, *options, *(["--", *positional] if positional else [])]
