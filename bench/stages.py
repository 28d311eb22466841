"""The stages of a response: which thread computed, and in which library."""

import re
import shutil
import signal
import subprocess
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from bench.process_tree import Thread
from bench.programs import BenchError

_SAMPLES_PER_SECOND: Final = 1999
_SAMPLE: Final = re.compile(r"^\s*(\d+)/(\d+)\s+[0-9a-f]+ \((.*)\)$", re.MULTILINE)
_EVENT_LOOP: Final = "event loop"
_NETWORK: Final = "network"
_DECODERS: Final = "decode processes"
# The first whose words are in a library's name; the last one is all that is left.
_LIBRARIES: Final = {
    _EVENT_LOOP: {"kernel": ("[kernel",), "HTTP, parsing, hand-over, response": ()},
    _NETWORK: {"kernel": ("[kernel",), "network": ("openvino", "[JIT]", ".map"), "callbacks": ()},
    _DECODERS: {
        "kernel": ("[kernel",),
        "JPEG decoding": ("libjpeg", "_jpeg."),
        "resizing": ("_imaging", "whippet-resample"),
        "headers, hand-over": (),
    },
}


class Stage(NamedTuple):
    """A part of the work: threads, and what they do."""

    threads: str
    name: str


STAGES: Final = [Stage(group, name) for group, names in _LIBRARIES.items() for name in names]


class Sampler:
    """Samples what the threads of a server execute, by `perf`."""

    def __init__(self, process_ids: set[int], file: Path) -> None:
        """Start.

        Args:
            process_ids: of the server.
            file: for the samples.

        Raises:
            BenchError: there is no `perf`.
        """
        program = shutil.which("perf")
        if program is None:
            raise BenchError("perf is missing; install the package linux-perf or linux-tools")
        self._program, self._file = program, file
        processes = ",".join(map(str, process_ids))
        rate = str(_SAMPLES_PER_SECOND)
        self._process = subprocess.Popen(  # noqa: S603 - the command is built here
            [program, "record", "-q", "-F", rate, "-p", processes, "-o", str(file)],
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> Counter[tuple[int, str]]:
        """Return the samples by thread ID and library.

        Raises:
            BenchError: there are none: the user may not take them.
        """
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        command = [self._program, "script", "-i", str(self._file), "-F", "pid,tid,ip,dso"]
        printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - the command is built here
        samples = Counter((int(thread), name) for _, thread, name in _SAMPLE.findall(printed))
        if not samples:
            raise BenchError("perf takes no samples; see /proc/sys/kernel/perf_event_paranoid")
        return samples


def split_by_stage(
    seconds_by_thread: Mapping[Thread, float], samples: Mapping[tuple[int, str], int]
) -> dict[Stage, float]:
    """Return the CPU time of each stage: the time of its threads, divided as their samples are."""
    seconds: defaultdict[str, float] = defaultdict(float)
    count_by_stage = Counter(dict.fromkeys(STAGES, 0))
    threads = {thread.thread_id: _group(thread) for thread in seconds_by_thread}
    for thread, used in seconds_by_thread.items():
        seconds[_group(thread)] += used
    for (thread_id, library), count in samples.items():
        if thread_id in threads:
            count_by_stage[_stage(threads[thread_id], library)] += count
    totals: Counter[str] = Counter()
    for stage, count in count_by_stage.items():
        totals[stage.threads] += count
    return {
        stage: seconds[stage.threads] * count / max(1, totals[stage.threads])
        for stage, count in count_by_stage.items()
    }


def _group(thread: Thread) -> str:
    if not thread.is_in_root:
        return _DECODERS
    return _EVENT_LOOP if thread.thread_id == thread.process_id else _NETWORK


def _stage(group: str, library: str) -> Stage:
    for name, words in _LIBRARIES[group].items():
        if not words or any(word in library for word in words):
            return Stage(group, name)
    raise AssertionError("the last stage of a group has no words")
