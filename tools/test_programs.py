"""Checks that the system programs of `make test` are installed, before the long steps."""

import argparse
import shutil

from tools.browser import require_browser
from tools.console import ToolError, run_tool

# By program: its Debian package and its purpose.
_PROGRAMS = {
    "curl": ("curl", "to run the command that `make up` prints"),
    "ps": ("procps", "to check that no process is left behind"),
}


def main() -> None:
    """Report all missing programs; find or download a browser."""
    argparse.ArgumentParser(prog="python -m tools.test_programs", description=__doc__).parse_args()
    check_programs()
    print(f"Browser of the tests: {require_browser()}")


def check_programs() -> None:
    """Check the programs other than the browser.

    Raises:
        ToolError: programs are missing; the message lists all of them with their packages.
    """
    missing = {name: what for name, what in _PROGRAMS.items() if shutil.which(name) is None}
    if missing:
        lines = [f"  {name}, {purpose}" for name, (_, purpose) in missing.items()]
        packages = " ".join(package for package, _ in missing.values())
        raise ToolError(
            "`make test` needs programs that are not installed:\n"
            + "\n".join(lines)
            + f"\nInstall them (Debian: `apt-get install {packages}`) and run it again."
        )


if __name__ == "__main__":
    run_tool(main)
