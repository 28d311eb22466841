"""What the documents of all benchmarks have: figures with their bounds, tables, the machine."""

import argparse
import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.programs import ROOT
from bench.servers import CORES
from bench.spread import Spread

# Of a processor: what int8 and bf16 are fast by.
_WIDE_FLAGS: Final = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


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
        range: the least and the most of the rounds; None where there is one value.
    """

    name: str
    value: float | None
    bound: float | None
    is_minimum: bool = False
    unit: str = ""
    digits: int = 2
    range: tuple[float, float] | None = None

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
        if self.range is not None:
            least, most = (f"{end:.{self.digits}f}" for end in self.range)
            value += f" ({least} to {most})"
        sign = "≥" if self.is_minimum else "≤"
        bound = "" if self.bound is None else f"{sign} {self._with_unit(self.bound)}"
        return [self.name, value, bound, self.verdict]

    def _with_unit(self, value: float) -> str:
        return f"{value:.{self.digits}f} {self.unit}".rstrip()


def paired(
    name: str,
    spread: Spread | None,
    bound: float | None,
    *,
    is_minimum: bool = False,
    unit: str = "",
) -> Target:
    """Return a target of a figure that was measured in each round: the median is judged."""
    return Target(
        name=name,
        value=spread and spread.median,
        range=(spread.least, spread.most) if spread and spread.least < spread.most else None,
        bound=bound,
        is_minimum=is_minimum,
        unit=unit,
    )


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
    wide = [flag for flag in _WIDE_FLAGS if flag in known]
    return f"{name[1] if name else platform.machine()} ({', '.join(wide)})"
