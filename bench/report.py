"""What the documents of all benchmarks have: figures with their bounds, tables, the machine."""

import argparse
import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.programs import ROOT
from bench.servers import CORES


@dataclass(frozen=True, kw_only=True)
class Target:
    """A figure and its bound.

    Attributes:
        name: of the figure.
        value: None where it could not be measured.
        bound: None where the figure is only shown.
        is_minimum: whether the bound is a minimum; otherwise it is a maximum.
        unit: empty for a ratio or a count.
        digits: after the decimal point.
    """

    name: str
    value: float | None
    bound: float | None
    is_minimum: bool = False
    unit: str = ""
    digits: int = 2

    @property
    def verdict(self) -> str:
        """Return `met`, `missed`, `not measured`, or nothing where there is no bound."""
        if self.bound is None:
            return ""
        if self.value is None:
            return "not measured"
        met = self.value >= self.bound if self.is_minimum else self.value <= self.bound
        return "met" if met else "missed"

    def row(self) -> list[str]:
        """Return the cells of its row in a table."""
        value = "" if self.value is None else self._with_unit(self.value)
        sign = "≥" if self.is_minimum else "≤"
        bound = "" if self.bound is None else f"{sign} {self._with_unit(self.bound)}"
        return [self.name, value, bound, self.verdict]

    def _with_unit(self, value: float) -> str:
        return f"{value:.{self.digits}f} {self.unit}".rstrip()


def make_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser of a benchmark's options that has `--output`."""
    parser = argparse.ArgumentParser(
        prog=f"python -m bench.{name}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    document = ROOT / "docs" / "benchmarks" / f"{name}.md"
    parser.add_argument("--output", type=Path, default=document, help="document to write")
    return parser


def targets_table(targets: Iterable[Target]) -> str:
    """Return a Markdown table of the targets."""
    return table(["figure", "measured", "target", ""], [target.row() for target in targets])


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def heading(title: str, command: str, machine: dict[str, str] | None = None) -> str:
    """Return the start of a document: title, the command that writes it, the machine (this one)."""
    return (
        f"# {title}\n\n<!-- Written by `{command}`, which overwrites manual changes. -->\n\n"
        f"{', '.join((machine or describe_machine()).values())}.\n"
    )


def describe_machine() -> dict[str, str]:
    """Return the date, processor, cores, memory and system, each as text."""
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": f"{CORES} cores",
        "memory": f"{memory_bytes / 1024**3:.0f} GiB",
        "system": f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}",
    }


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    known = flags[1].split() if flags else []
    wide = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if flag in known]
    return f"{name[1] if name else platform.machine()} ({', '.join(wide)})"
