import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.local.conftest import processes_naming
from tools import browser
from tools.cdk import ROOT
from tools.console import ToolError


def check(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the check of `make test` on a machine whose programs are those of one folder.

    The folder also stands for the home, where playwright keeps what it downloaded, and no download
    can succeed.
    """
    return subprocess.run(
        [sys.executable, "-m", "tools.test_programs"],
        cwd=ROOT,
        env={
            "PATH": str(folder),
            "HOME": str(folder),
            "PLAYWRIGHT_BROWSERS_PATH": str(folder / "browsers"),
            "PLAYWRIGHT_DOWNLOAD_HOST": "http://127.0.0.1:9",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def add_program(folder: Path, name: str, *, exit_status: int = 0) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\nexit {exit_status}\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("curl", "ps"):
        add_program(tmp_path, name)
    return tmp_path


@pytest.mark.parametrize("name", browser.NAMES)
def test_a_browser_is_found_under_any_usual_name(folder: Path, name: str) -> None:
    program = add_program(folder, name)
    ended = check(folder)
    assert (ended.returncode, ended.stdout) == (0, f"Browser of the tests: {program}\n")


def test_a_program_that_does_not_start_is_passed_over(folder: Path) -> None:
    add_program(folder, "chromium", exit_status=1)
    program = add_program(folder, "google-chrome")
    assert str(program) in check(folder).stdout


def test_a_browser_may_be_named(folder: Path) -> None:
    add_program(folder, "chromium")
    (folder / "elsewhere").mkdir()
    program = add_program(folder / "elsewhere", "my browser")
    assert str(program) in check(folder, WHIPPET_CHROMIUM=str(program)).stdout
    ended = check(folder, WHIPPET_CHROMIUM="/nonexistent")
    assert ended.returncode == 1
    assert "WHIPPET_CHROMIUM is /nonexistent, which does not start" in ended.stderr


def test_a_browser_that_playwright_downloaded_is_found(folder: Path) -> None:
    code = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as it: print(it.chromium.executable_path)"
    )
    environment = os.environ | {"PLAYWRIGHT_BROWSERS_PATH": str(folder / "browsers")}
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    program = Path(printed.stdout.strip())
    program.parent.mkdir(parents=True)
    add_program(program.parent, program.name)
    assert check(folder).stdout == f"Browser of the tests: {program}\n"


def test_without_a_browser_one_is_downloaded_or_the_package_is_named(folder: Path) -> None:
    ended = check(folder)
    assert ended.returncode == 1
    assert "127.0.0.1:9" in ended.stdout + ended.stderr, "playwright's own output is shown"
    assert "apt-get install chromium" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_download_that_takes_too_long_ends_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As playwright does, the stand-in leaves the download to a child."""
    stand_in, started = tmp_path / "python", tmp_path / "started"
    child = f'import pathlib, time; pathlib.Path("{started}").touch(); time.sleep(60)'
    stand_in.write_text(f"#!/bin/sh\n\"{sys.executable}\" -c '{child}' &\nwait\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(browser, "find_browser", lambda: None)
    monkeypatch.setattr(browser, "_DOWNLOAD_TIMEOUT_SECONDS", 2.0)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    with pytest.raises(ToolError, match=r"took longer than 2 s\. Install Chromium"):
        browser.require_browser()
    assert started.exists()
    deadline = time.monotonic() + 5
    while left := processes_naming(str(tmp_path)):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_all_missing_programs_are_named_at_once_with_their_packages(tmp_path: Path) -> None:
    ended = check(tmp_path)
    assert ended.returncode == 1
    assert "apt-get install curl procps" in ended.stderr
