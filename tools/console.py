"""Console output of the tools: one line for each step, and the end of the log if one fails."""

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.status_line import say, status_line
from tools.terminal import use_terminal_encoding

# As a shell reports a program that Ctrl-C ended.
EXIT_INTERRUPTED = 130
_SLOW_SECONDS = 2.0
_SECONDS_BETWEEN_LINES = 10.0
_LAST_LINES = 25


class ToolError(Exception):
    """A tool cannot continue; the message says what was wrong and what to do."""


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print a step while it runs, then how long it took."""
    started = time.monotonic()

    def seconds() -> float:
        return time.monotonic() - started

    if not sys.stdout.isatty():
        say(f"… {title}")
    try:
        with status_line(lambda: f"… {title}: {seconds():.0f} s so far"):
            yield
    except BaseException:
        say(f"✗ {title}: failed after {seconds():.1f} s")
        raise
    say(f"✓ {title}: {seconds():.1f} s")


@contextmanager
def slow_step(title: str) -> Iterator[None]:
    """Print a step to standard error, but only if it takes longer than two seconds."""
    ended = threading.Event()
    waiter = threading.Thread(target=_print_if_slow, args=(title, ended), daemon=True)
    waiter.start()
    try:
        yield
    finally:
        ended.set()
        waiter.join()


def confirm(question: str, *accepted: str, refusal: str) -> None:
    """Let the user type one of some words to go on.

    Args:
        question: ends in a space.
        accepted: the words.
        refusal: the message for anything else, also for the end of the input.

    Raises:
        ToolError: the user typed something else.
    """
    try:
        typed = input(question)
    except EOFError:
        typed = ""
    if typed.strip() not in accepted:
        raise ToolError(refusal)


def run_logged(
    command: Sequence[str], *, environment: Mapping[str, str], log_file: Path, directory: Path
) -> None:
    """Run a program and write its output to a log.

    Raises:
        ToolError: the program failed; the message has the end of the log and its path.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("wb") as log:
        ended = subprocess.run(  # noqa: S603 - the tools build their commands themselves
            command, env=dict(environment), cwd=directory, check=False,
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    if ended.returncode != 0:
        with log_file.open(encoding="utf-8", errors="replace") as lines:
            end = "".join(deque(lines, _LAST_LINES)).rstrip()
        raise ToolError(f"{end}\n\nThe whole output is in {log_file}")


def run_tool(main: object) -> None:
    """Run a tool's `main()` and exit; an error that the user can fix prints only its message.

    These are ToolErrors, errors of AWS and its SDK (an unknown profile, an expired session, a
    missing permission), and errors of the system, such as a full disk. Ctrl-C exits with 130.
    """
    if not callable(main):
        raise TypeError(f"main must be callable, got {main!r}")
    use_terminal_encoding()
    try:
        status = main()
    except ToolError as error:
        print(error, file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    except Exception as error:
        message = _message_of(error)
        if message is None:
            raise
        print(message, file=sys.stderr)
        status = 1
    sys.exit(status)


def _message_of(error: Exception) -> str | None:
    """Return the message of an error of AWS or of the system; None for any other."""
    # Not imported above: the tools that install botocore run without it.
    if "botocore.exceptions" in sys.modules:
        from tools.account.errors import describe_aws_error

        if message := describe_aws_error(error):
            return message
    if not isinstance(error, OSError):
        return None
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def _print_if_slow(title: str, ended: threading.Event) -> None:
    started = time.monotonic()
    wait = _SLOW_SECONDS
    while not ended.wait(wait):
        print(f"… {title}: {time.monotonic() - started:.0f} s so far", file=sys.stderr, flush=True)
        wait = _SECONDS_BETWEEN_LINES
