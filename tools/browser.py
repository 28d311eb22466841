"""Finds a Chromium or Chrome for the tests, or downloads one."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from tools.console import ToolError, step

VARIABLE = "WHIPPET_CHROMIUM"
# Debian and Fedora, Ubuntu and openSUSE, Google's packages, containers that unpack an archive.
NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "google-chrome-beta",
    "chrome",
)
_MACOS_APPLICATIONS = (
    "Google Chrome.app/Contents/MacOS/Google Chrome",
    "Chromium.app/Contents/MacOS/Chromium",
)
_START_TIMEOUT_SECONDS = 30.0
_DOWNLOAD_TIMEOUT_SECONDS = 120.0
_INSTALL = (
    "Install Chromium (Debian: `apt-get install chromium`; Fedora: `dnf install chromium`; macOS: "
    f"`brew install --cask chromium`), or set {VARIABLE} to the path of a Chromium or Chrome."
)


def find_browser() -> Path | None:
    """Return a Chromium or Chrome that starts, or None.

    Raises:
        ToolError: the program in the environment variable `WHIPPET_CHROMIUM` does not start.
    """
    if named := os.environ.get(VARIABLE):
        program = shutil.which(named)
        if program is None or not _starts(Path(program)):
            raise ToolError(f"{VARIABLE} is {named}, which does not start. {_INSTALL}")
        return Path(program)
    # Ubuntu's chromium-browser may be a script that only recommends the snap.
    return next((program for program in _candidates() if _starts(program)), None)


def require_browser() -> Path:
    """Return a browser that starts; download one if none is installed.

    Raises:
        ToolError: none was found and none could be downloaded.
    """
    if found := find_browser():
        return found
    print("No Chromium or Chrome was found; the tests need one (about 170 MB).", flush=True)
    with step("Download Chromium"):
        _download()
    found = find_browser()
    if found is None:
        raise ToolError(
            "The downloaded Chromium does not start, probably because system libraries are "
            "missing. " + _INSTALL
        )
    return found


def _candidates() -> Iterator[Path]:
    for name in NAMES:
        if program := shutil.which(name):
            yield Path(program)
    if sys.platform == "darwin":
        for folder in (Path("/Applications"), Path.home() / "Applications"):
            yield from (folder / application for application in _MACOS_APPLICATIONS)
    with sync_playwright() as playwright:
        yield Path(playwright.chromium.executable_path)


def _starts(program: Path) -> bool:
    try:
        ended = subprocess.run(  # noqa: S603 - a browser found by its program name
            [str(program), "--version"],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_START_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


def _download() -> None:
    """Download Chromium with playwright, and show playwright's output.

    Raises:
        ToolError: it failed or took too long.
    """
    # Without the separate headless shell: the browser has a headless mode.
    command = [sys.executable, "-m", "playwright", "install", "--no-shell", "chromium"]
    try:
        status = _run_with_children(command, _DOWNLOAD_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise ToolError(
            f"The download took longer than {_DOWNLOAD_TIMEOUT_SECONDS:.0f} s. {_INSTALL}"
        ) from None
    if status != 0:
        raise ToolError(f"Chromium could not be downloaded; the reason is above. {_INSTALL}")


def _run_with_children(command: list[str], timeout_seconds: float) -> int:
    """Return the exit status of a program; after the timeout kill it and its child processes.

    Raises:
        subprocess.TimeoutExpired: it took too long.
    """
    # In its own process group; Ctrl-C in the terminal does not stop it.
    with subprocess.Popen(  # noqa: S603 - the command is built here
        command, stdin=subprocess.DEVNULL, start_new_session=True
    ) as program:
        try:
            return program.wait(timeout_seconds)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            raise
