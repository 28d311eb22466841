"""Start torchrun on this host, and end it when another host of the job has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from classifier.training.distributed import torchrun
from classifier.training.distributed.hosts import Hosts
from classifier.training.distributed.meeting import SECONDS_OF_SILENCE, Meeting, free_port
from classifier.training.distributed.workers import WATCHED_INPUT
from classifier.training.errors import LostWorkerError, TrainingError

# Of torchrun, to end its workers after a signal; then their standard input ends, and so do they.
_SECONDS_TO_END: Final = 10.0
_SECONDS_BETWEEN_LOOKS: Final = 0.2
# A host that is gone may be noticed after those who lost their connection to it.
_SECONDS_FOR_A_REASON: Final = SECONDS_OF_SILENCE + 5


def run_workers(
    program: Path, arguments: Sequence[str], hosts: Hosts, failure_file: Path | None
) -> None:
    """Run this host's workers to their end, with torchrun.

    Args:
        program: that they run; it joins the others by itself.
        arguments: of the program.
        hosts: of the job.
        failure_file: where a worker writes why it failed.

    Raises:
        TrainingError: a worker failed, or another host ended.
        KeyboardInterrupt: after SIGTERM or Ctrl-C; the workers have ended.
    """
    with ExitStack() as stack:
        meeting = stack.enter_context(Meeting(hosts)) if len(hosts.names) > 1 else None
        print(
            f"{hosts.current}: {hosts.workers_per_host} of {hosts.worker_count} workers",
            flush=True,
        )
        command = _torchrun(hosts, meeting.port if meeting else free_port(hosts.address))
        agent = stack.enter_context(_running([*command, str(program), *arguments], hosts))
        signals = stack.enter_context(_forwarded(agent))
        while agent.poll() is None:
            # After a signal the other hosts end too.
            verdict = _wait(agent, None if signals else meeting)
            if verdict:
                raise TrainingError(verdict)
        if agent.returncode != 0 and signals:
            if meeting:
                meeting.report_failure("it was stopped")
            raise KeyboardInterrupt
        if agent.returncode != 0:
            _explain(meeting, failure_file)
        if meeting:
            meeting.report_success()


def _wait(agent: subprocess.Popen[bytes], meeting: Meeting | None) -> str | None:
    """Wait a moment for torchrun to end or another host's end; return the reason of the latter."""
    if meeting:
        return meeting.verdict(_SECONDS_BETWEEN_LOOKS)
    with suppress(subprocess.TimeoutExpired):
        agent.wait(_SECONDS_BETWEEN_LOOKS)
    return None


def _explain(meeting: Meeting | None, failure_file: Path | None) -> NoReturn:
    """Raise the reason: of this host's worker, or of the host that its worker lost."""
    try:
        reason = failure_file.read_text(encoding="utf-8") if failure_file else ""
    except FileNotFoundError:
        reason = ""
    reason = reason or "a worker process ended without a word, as when it has no memory left"
    if meeting and reason.startswith(LostWorkerError.BEGINNING):
        reason = meeting.verdict(_SECONDS_FOR_A_REASON) or reason
    if meeting:
        meeting.report_failure(reason)
    raise TrainingError(reason)


def _torchrun(hosts: Hosts, port: int) -> list[str]:
    return [
        sys.executable,
        "-P",  # a module beside it is not one that torch means
        torchrun.__file__,
        f"--nnodes={len(hosts.names)}",
        f"--node-rank={hosts.index}",
        f"--nproc-per-node={hosts.workers_per_host}",
        f"--master-addr={hosts.address}",
        f"--master-port={port}",
        "--max-restarts=0",
    ]


@contextmanager
def _running(command: Sequence[str], hosts: Hosts) -> Iterator[subprocess.Popen[bytes]]:
    """Start torchrun; at the end it is gone, and so are its workers."""
    environment = {**os.environ, WATCHED_INPUT: "1"}
    if hosts.interface:
        for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
            environment.setdefault(name, hosts.interface)
    # In a session of its own, so that a signal to this process's group reaches it once, from here.
    agent = subprocess.Popen(  # noqa: S603
        command, env=environment, stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield agent
    finally:
        _end(agent)


def _end(agent: subprocess.Popen[bytes]) -> None:
    if agent.poll() is None:
        agent.terminate()
        try:
            agent.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            agent.kill()
    if agent.stdin:
        # Workers that torchrun left behind end with it.
        agent.stdin.close()
    agent.wait()


@contextmanager
def _forwarded(agent: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Pass SIGTERM and Ctrl-C on to torchrun, and with that to its workers; yield which came."""
    came: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if agent.poll() is None:
            agent.send_signal(number)

    former = {each: signal.signal(each, forward) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield came
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
