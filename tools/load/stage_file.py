"""Writes numbers that were measured into a stage's file, and leaves the rest as it is."""

import json
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from tools.console import ToolError
from tools.paths import short_path

_TABLE = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?")
_ANY_TABLE = re.compile(r"\s*\[")

Value = str | float


def write_capacity(file: Path, capacity: float, measured_on: str) -> float:
    """Write a measured capacity into a stage's file, and return it as written.

    Args:
        file: the stage's file.
        capacity: requests a second.
        measured_on: as of serving.measured_capacity_of.

    Raises:
        ToolError: the file cannot be changed safely.
    """
    # Three digits are more than a measurement repeats; never more than was measured.
    digits = 2 - math.floor(math.log10(capacity))
    scale = 10.0**digits
    written = math.floor(capacity * scale + 1e-6) / scale
    values: dict[str, Value] = {
        "measured_capacity_per_second": written,
        "measured_capacity_of": measured_on,
    }
    write_settings(file, "serving", values)
    print(f"Written into {short_path(file)}, [serving]:")
    for key, value in values.items():
        print(f"  {setting_line(key, value)}")
    return written


def write_settings(file: Path, table: str, values: Mapping[str, Value]) -> None:
    """Write settings into a TOML file.

    Args:
        file: the stage's file.
        table: the table's name, such as serving.
        values: by key; those that are there are replaced.

    Raises:
        ToolError: the file is of a form that cannot be changed safely; it is left as it is.
    """
    text = file.read_text(encoding="utf-8")
    changed = set_values(text, table, values)
    expected = tomllib.loads(text)
    expected[table] = {**expected.get(table, {}), **values}
    try:
        is_right = tomllib.loads(changed) == expected
    except tomllib.TOMLDecodeError:
        is_right = False
    if not is_right:
        lines = "\n".join(f"  {setting_line(key, value)}" for key, value in values.items())
        raise ToolError(
            f"{short_path(file)} has a form that is not changed here, expected a table [{table}] "
            f"with a key on each line. Write into it yourself:\n{lines}"
        )
    partial = file.with_suffix(".partial")
    partial.write_text(changed, encoding="utf-8")
    partial.replace(file)


def set_values(text: str, table: str, values: Mapping[str, Value]) -> str:
    """Return a TOML document with other values; comments and the order of keys stay.

    A new key follows the last one of its table, a new table the whole document.

    Args:
        text: the document.
        table: the table's name.
        values: by key.
    """
    lines = text.splitlines()
    start, end = _find_table(lines, table)
    if start is None:
        separator = [""] if lines else []
        added = [setting_line(key, value) for key, value in values.items()]
        return "\n".join([*lines, *separator, f"[{table}]", *added]) + "\n"
    last = max([start, *(n for n in range(start + 1, end) if _is_entry(lines[n]))])
    added = []
    for key, value in values.items():
        found = [n for n in range(start + 1, end) if _is_key(lines[n], key)]
        if found:
            lines[found[0]] = setting_line(key, value) + _comment_of(lines[found[0]])
        else:
            added.append(setting_line(key, value))
    return "\n".join([*lines[: last + 1], *added, *lines[last + 1 :]]) + "\n"


def _find_table(lines: list[str], table: str) -> tuple[int | None, int]:
    """Return the line of a table's header, None without one, and the line after its end."""
    start = None
    for number, line in enumerate(lines):
        if start is not None and _ANY_TABLE.match(line):
            return start, number
        header = _TABLE.fullmatch(line)
        if start is None and header and header[1] == table:
            start = number
    return start, len(lines)


def _is_entry(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _is_key(line: str, key: str) -> bool:
    return re.match(rf"\s*{re.escape(key)}\s*=", line) is not None


def _comment_of(line: str) -> str:
    """Return the comment behind a number or a text without `#`, with the space before it."""
    found = re.search(r"\s*#.*$", line)
    return found[0] if found else ""


def setting_line(key: str, value: Value) -> str:
    """Return a setting as a line of TOML."""
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"
