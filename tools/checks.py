"""`make check` and `make test`: run the project's checks in parallel, by default one per core."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.cdk import ROOT
from tools.console import ToolError, run_tool

_BENCH = str(ROOT / ".venvs" / "bench" / "bin" / "python")
_LOGS = ROOT / "build" / "logs" / "checks"
_TRAINING = str(ROOT / ".venvs" / "training" / "bin" / "python")
_POLL_SECONDS = 0.2
_SECONDS_BETWEEN_PROGRESS_LINES = 60.0


@dataclass(frozen=True)
class Check:
    """One program, which exits with status 0 if it finds no problem.

    Attributes:
        name: printed, and the name of its log.
        command: run in the repository's folder.
        after: name of the check that must succeed first.
        quick: whether it is part of `make check`.
        background: whether as many such checks as cores run in addition to the others, and more
            where these leave places free, with a low priority: in the time that the others wait.
            For checks that measure no short time.
    """

    name: str
    command: tuple[str, ...]
    after: str | None = None
    quick: bool = True
    background: bool = False


def _pytest(*arguments: str, python: str = sys.executable) -> tuple[str, ...]:
    return (python, "-m", "pytest", "-q", *arguments)


# The longest first, as far as `after` allows, once for those in the background and once for the
# others.
CHECKS = (
    Check("demo", ("make", "demo"), quick=False),
    Check("types", ("make", "types"), background=True),
    Check("tests/stacks", _pytest("tests/stacks"), background=True),
    Check("tests/tools", _pytest("tests/tools", "tests/local_cloud"), background=True),
    Check(
        "tests/lambda_src",
        _pytest("tests/lambda_src", "tests/instance_src", "tests/examples"),
        background=True,
    ),
    Check(
        "tests/local and tests/browser",
        _pytest(
            "tests/local",
            "tests/browser",
            "--ignore=tests/local/redeployment",
            "--ignore=tests/local/delivery",
            "--ignore=tests/local/presets",
            "--ignore=tests/local/operation",
            "-m",
            "not presets",
        ),
        after="demo",
        quick=False,
    ),
    Check(
        "tests/model_code/training",
        _pytest("tests/model_code/training", python=_TRAINING),
        quick=False,
    ),
    Check(
        "tests/local/redeployment",
        _pytest("tests/local/redeployment"),
        after="demo",
        quick=False,
    ),
    Check(
        "tests/local/delivery and presets",
        _pytest("tests/local/delivery", "tests/local/presets", "-m", "not presets"),
        quick=False,
    ),
    Check("tests/local/operation", _pytest("tests/local/operation"), after="demo", quick=False),
    Check(
        "tests/model_code",
        _pytest("tests/model_code", "--ignore=tests/model_code/training", python=_TRAINING),
        quick=False,
    ),
    Check("tests/contract", _pytest("tests/contract")),
    Check("tests/bench", _pytest("tests/bench", python=_BENCH)),
    Check("style", ("make", "style")),
)


@dataclass(frozen=True)
class _Running:
    check: Check
    process: subprocess.Popen[bytes]
    began: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


def main() -> int:
    """Run the checks; return 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.checks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="skip the checks that need a model")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="checks at a time (%(default)s)"
    )
    arguments = parser.parse_args()
    if arguments.jobs < 1:
        raise ToolError(f"--jobs {arguments.jobs}: expected 1 or more")
    checks = [check for check in CHECKS if check.quick or not arguments.quick]
    return run_checks(checks, jobs=arguments.jobs, logs=_LOGS)


def run_checks(checks: Sequence[Check], *, jobs: int, logs: Path) -> int:
    """Run checks in parallel; print the output of each when it ends.

    Args:
        checks: in the order in which to start them, if `after` allows.
        jobs: maximum number of checks that run at the same time, besides as many in the background.
        logs: folder for the output of each check.

    Returns:
        0 if all succeeded, else 1. The last line printed is the result of the last suite to end.
    """
    logs.mkdir(parents=True, exist_ok=True)
    # Programs that a script starts in the background ignore SIGINT, and so would the checks.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    waiting, succeeded, failed = list(checks), set[str](), list[str]()
    running: list[_Running] = []
    result = ""
    with _ended_at_exit(running):
        while waiting or running:
            for check in [check for check in waiting if check.after in failed]:
                waiting.remove(check)
                failed.append(check.name)
                print(f"✗ {check.name}: not run, because {check.after} failed", flush=True)
            for check in [check for check in waiting if check.after in {None, *succeeded}]:
                beside = [each for each in running if each.check.background == check.background]
                places = _background_places(waiting, running, jobs) if check.background else jobs
                if len(beside) < places:
                    waiting.remove(check)
                    running.append(_start(check, logs))
            for each in _ended(running):
                output = _report(each, logs)
                if "pytest" in each.check.command:
                    result = output.rstrip().rpartition("\n")[2]
                if each.process.returncode == 0:
                    succeeded.add(each.check.name)
                else:
                    failed.append(each.check.name)
    if failed:
        print(f"\nFailed: {', '.join(failed)}. The output of each is above, and in {logs}")
    print(result, flush=True)
    return 1 if failed else 0


def _background_places(waiting: Sequence[Check], running: Sequence[_Running], jobs: int) -> int:
    """Return how many checks may run in the background: also where the others leave places free."""
    if not all(check.background for check in waiting):
        return jobs
    return 2 * jobs - sum(not each.check.background for each in running)


def _start(check: Check, logs: Path) -> _Running:
    print(f"… {check.name}", flush=True)
    # torch's waiting threads would spin and take the cores of other checks.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = ("nice", "-n", "10", *check.command) if check.background else check.command
    with _log(check, logs).open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - the commands are defined above
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    return _Running(check, process, time.monotonic())


def _ended(running: list[_Running]) -> list[_Running]:
    """Wait until at least one has ended or a minute has passed; remove those that have ended."""
    deadline = time.monotonic() + _SECONDS_BETWEEN_PROGRESS_LINES
    while running and time.monotonic() < deadline:
        if ended := [each for each in running if each.process.poll() is not None]:
            running[:] = [each for each in running if each not in ended]
            return ended
        time.sleep(_POLL_SECONDS)
    for each in running:
        print(f"  {each.check.name}: {each.seconds:.0f} s so far", flush=True)
    return []


def _report(ended: _Running, logs: Path) -> str:
    sign = "✓" if ended.process.returncode == 0 else "✗"
    print(f"{sign} {ended.check.name}: {ended.seconds:.0f} s", flush=True)
    output = _log(ended.check, logs).read_text(encoding="utf-8", errors="replace")
    print(output, flush=True)
    return output


def _log(check: Check, logs: Path) -> Path:
    return logs / f"{check.name.replace('/', '-').replace(' ', '-')}.log"


@contextlib.contextmanager
def _ended_at_exit(running: Sequence[_Running]) -> Iterator[None]:
    """Stop the running checks if the block is left by an error or by Ctrl-C."""
    try:
        yield
    finally:
        for each in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each.process.pid, signal.SIGINT)
        for each in running:
            each.process.wait()


if __name__ == "__main__":
    run_tool(main)
