import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bench.process_tree import ProcessTree

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
def tree() -> Iterator[ProcessTree]:
    process = subprocess.Popen(
        [sys.executable, "-c", CODE], start_new_session=True, stdout=subprocess.PIPE
    )
    assert process.stdout
    assert process.stdout.readline() == b"busy\n"
    yield ProcessTree(process.pid)
    ProcessTree(process.pid).end()
    process.wait()
    process.stdout.close()


def used(tree: ProcessTree, seconds: float) -> float:
    before = tree.cpu_seconds()
    time.sleep(seconds)
    return tree.cpu_seconds() - before


def test_the_time_of_children_counts_and_none_passes_while_paused(tree: ProcessTree) -> None:
    assert used(tree, 0.5) > 0.1
    tree.pause()
    assert used(tree, 0.3) == 0
    tree.resume()
    assert used(tree, 0.5) > 0.1


def test_the_time_of_children_that_have_ended_counts() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDED_CHILD], start_new_session=True, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ended\n"
        used_seconds = ProcessTree(process.pid).cpu_seconds()
        ProcessTree(process.pid).end()
    # The kernel counts in hundredths.
    assert used_seconds > 0.4


def test_the_memory_is_of_both_processes(tree: ProcessTree) -> None:
    assert tree.memory_bytes() > 8_000_000


def test_every_process_ends_even_while_paused(tree: ProcessTree) -> None:
    tree.pause()
    tree.end()
    assert used(tree, 0.2) == 0
    assert tree.memory_bytes() == 0
