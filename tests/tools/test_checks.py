"""The checks of `make test` beside each other; these are one-line programs."""

import dataclasses
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from tools.checks import Check, run_checks


def python(name: str, program: str, after: str | None = None) -> Check:
    return Check(name, (sys.executable, "-c", program), after=after)


def pytest_of(name: str, folder: Path, test: str) -> Check:
    (folder / f"test_{name}.py").write_text(test)
    command = (sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", str(folder))
    return Check(name, command)


def meeting(folder: Path) -> list[Check]:
    """Return two checks that each wait until the other has begun."""
    meet = (
        "import pathlib, time\n"
        "pathlib.Path({mine!r}).touch()\n"
        "while not pathlib.Path({other!r}).exists(): time.sleep(0.01)\n"
    )
    one, two = str(folder / "one"), str(folder / "two")
    return [
        python("one", meet.format(mine=one, other=two)),
        python("two", meet.format(mine=two, other=one)),
    ]


def test_checks_run_in_parallel(tmp_path: Path) -> None:
    assert run_checks(meeting(tmp_path), jobs=2, logs=tmp_path / "logs") == 0


def test_no_more_run_at_a_time_than_there_are_jobs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [python(name, f"print({name!r})") for name in ("one", "two", "three")]
    assert run_checks(checks, jobs=1, logs=tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line in {"… one", "one", "… two", "two", "… three"}] == [
        "… one", "one", "… two", "two", "… three",
    ]  # fmt: skip


def test_one_in_the_background_runs_beside_the_others_with_a_low_priority(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = "import os, time; print('at', os.nice(0)); time.sleep(1)"
    background = [
        dataclasses.replace(python(name, both), background=True) for name in ("types", "stacks")
    ]
    assert run_checks([*background, python("other", both)], jobs=1, logs=tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("…")] == ["… types", "… other", "… stacks"]
    assert [line for line in lines if line.startswith("at ")].count(f"at {os.nice(0)}") == 1


def test_as_many_run_in_the_background_as_beside_them(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    wait_for_all = (
        "import pathlib, time; pathlib.Path({file!r}).touch(); end = time.monotonic() + 60\n"
        "while len(list(pathlib.Path({folder!r}).iterdir())) < 4: assert time.monotonic() < end"
    )
    checks = [
        python(name, wait_for_all.format(file=str(begun / name), folder=str(begun)))
        for name in ("one", "two", "types", "stacks")
    ]
    checks[2:] = [dataclasses.replace(check, background=True) for check in checks[2:]]
    last = python("last", "")  # waits for a place, so that the background has no other
    assert run_checks([*checks, last], jobs=2, logs=tmp_path / "logs") == 0


def test_those_in_the_background_take_the_places_that_no_other_check_needs(
    tmp_path: Path,
) -> None:
    background = [dataclasses.replace(check, background=True) for check in meeting(tmp_path)]
    assert run_checks([*background, python("other", "")], jobs=1, logs=tmp_path / "logs") == 0


def test_a_failure_skips_only_the_checks_that_depend_on_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [
        python("demo", "print('the reason'); raise SystemExit(3)"),
        python("needs the demo", "print('ran')", after="demo"),
        python("other", "print('ran too')"),
    ]
    assert run_checks(checks, jobs=2, logs=tmp_path) == 1
    printed = capsys.readouterr().out
    assert re.search(r"^✗ demo: \d+ s\nthe reason\n", printed, re.MULTILINE)
    assert "✗ needs the demo: not run, because demo failed\n" in printed
    assert "ran too" in printed
    assert "\nran\n" not in printed
    assert (
        f"Failed: demo, needs the demo. The output of each is above, and in {tmp_path}" in printed
    )


def test_the_last_line_is_the_result_of_a_suite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [
        pytest_of("suite", tmp_path, "def test_one(): pass"),
        python("style", "import time; time.sleep(2); print('All checks passed!')"),
    ]
    assert run_checks(checks, jobs=2, logs=tmp_path / "logs") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 passed in ")


def test_an_interrupt_ends_the_running_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    began = time.monotonic()
    monkeypatch.setattr("tools.checks.time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_checks([python("long", "import time; time.sleep(60)")], jobs=1, logs=tmp_path)
    assert time.monotonic() - began < 30


def test_checks_end_at_an_interrupt_also_if_a_script_runs_them_in_the_background(
    tmp_path: Path,
) -> None:
    program = "import signal; assert signal.getsignal(2) is signal.default_int_handler"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert run_checks([python("handler", program)], jobs=1, logs=tmp_path) == 0
    finally:
        signal.signal(signal.SIGINT, before)
