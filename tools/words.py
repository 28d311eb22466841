"""One vocabulary: words that this project does not use, and the words to use instead."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.cdk import ROOT
from tools.console import run_tool
from tools.counted import counted

# A pattern, matched in any case, and what to write instead.
WORDS: Final = {
    r"picture": "image",
    r"answer": "response, respond or prediction",
    r"(?<![a-z])ask(s|ed|ing)?(?![a-z])": "request, invoke or call",
    r"(?<![a-z])(whom|whoever)(?![a-z])": "the name of the person or resource",
}
BOUNDS: Final = re.compile(r"\b(LARGEST|LONGEST|GREATEST|SMALLEST|SHORTEST|MAXIMUM|MINIMUM)_")
# Names of files, and HTML's own element.
ALLOWED: Final = re.compile(r"[\w./-]+\.(png|svg|jpg)\b|</?picture>")
SUFFIXES: Final = frozenset({".css", ".html", ".in", ".js", ".json", ".md", ".py", ".toml"})
FOLDERS: Final = (
    "bench", "config", "docs", "examples", "instance_src", "lambda_src", "local_cloud",
    "model_code", "stacks", "tests", "tools", "web",
)  # fmt: skip
FILES: Final = ("Makefile", "README.md", "CONTRIBUTING.md", "app.py", "pyproject.toml")
# This list itself with its tests; what a benchmark printed when it ran; what synthesis writes.
LEFT_OUT: Final = (
    "tools/words.py",
    "tests/tools/test_words.py",
    "docs/benchmarks/serving.md",
    "docs/benchmarks/resilience.md",
    "docs/benchmarks/proxy.md",
    "docs/images/",
    "tests/stacks/__snapshots__/",
)

_PATTERNS = [(re.compile(pattern, re.IGNORECASE), instead) for pattern, instead in WORDS.items()]


@dataclass(frozen=True)
class Finding:
    """A word that is not used here.

    Attributes:
        line: from 1.
        instead: what to write.
    """

    line: int
    word: str
    instead: str


def find_words(text: str) -> Iterator[Finding]:
    """Yield each word of a text that this project does not use."""
    for number, line in enumerate(text.splitlines(), start=1):
        checked = ALLOWED.sub("", line)
        for pattern, instead in _PATTERNS:
            if found := pattern.search(checked):
                yield Finding(number, found[0], instead)
        if found := BOUNDS.search(checked):
            yield Finding(number, found[0], "MAX_ or MIN_")


def main() -> int:
    """Print the findings; return 1 where there are any."""
    count = 0
    for path in _checked_files():
        name = path.relative_to(ROOT).as_posix()
        for finding in find_words(path.read_text(encoding="utf-8")):
            print(f"{name}:{finding.line}: {finding.word!r}: write {finding.instead}")
            count += 1
    if count:
        found = counted(count, "word")
        print(f"Found {found} that this project does not use: tools/words.py has the list.")
    return 1 if count else 0


def _checked_files() -> Iterator[Path]:
    yield from (ROOT / name for name in FILES)
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in SUFFIXES and not name.startswith(LEFT_OUT):
                yield path


if __name__ == "__main__":
    run_tool(main)
