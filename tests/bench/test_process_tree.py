import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bench import process_tree

# Starts a child in a session of its own that is busy, and itself does nothing.
CODE = """
import subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-c", "print('busy', flush=True)\\nwhile True: pass"], start_new_session=True
)
child.wait()
"""

# Waits for a child that was busy, and has no other.
ENDED_CHILD = """
import subprocess, sys, time
busy = "import time\\nwhile time.process_time() < 0.5: pass"
subprocess.run([sys.executable, "-c", busy])
print("ended", flush=True)
time.sleep(60)
"""


@pytest.fixture
def root() -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-c", CODE], start_new_session=True, stdout=subprocess.PIPE
    )
    assert process.stdout
    assert process.stdout.readline() == b"busy\n"
    yield process.pid
    process_tree.end(process.pid)
    process.wait()
    process.stdout.close()


def used(root: int, seconds: float) -> float:
    before = process_tree.cpu_seconds(root)
    time.sleep(seconds)
    return process_tree.cpu_seconds(root) - before


def test_the_time_of_children_counts_and_none_passes_while_paused(root: int) -> None:
    assert used(root, 0.5) > 0.1
    process_tree.pause(root)
    assert used(root, 0.3) == 0
    process_tree.resume(root)
    assert used(root, 0.5) > 0.1


def test_the_time_of_children_that_have_ended_counts() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDED_CHILD], start_new_session=True, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ended\n"
        used_seconds = process_tree.cpu_seconds(process.pid)
        process_tree.end(process.pid)
    # The kernel counts in hundredths.
    assert used_seconds > 0.4


def test_the_memory_is_of_both_processes(root: int) -> None:
    assert process_tree.memory_bytes(root) > 8_000_000


def test_every_process_ends_even_while_paused(root: int) -> None:
    process_tree.pause(root)
    process_tree.end(root)
    assert used(root, 0.2) == 0
    assert process_tree.memory_bytes(root) == 0
