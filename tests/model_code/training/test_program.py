"""How train.py and build.py end after Ctrl-C, and what they print on any terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MODEL_CODE = Path(__file__).parents[3] / "model_code"
# In place of torch, whose import takes seconds: it says that it began, and takes longer.
SLOW_TORCH = "import time\nprint('importing', flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def _sigint_of_a_terminal() -> Iterator[None]:
    """Let programs receive SIGINT, which a shell's background jobs and their children ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_sigint_of_a_terminal")
@pytest.mark.parametrize("script", ["train.py", "build.py"])
def test_ctrl_c_is_status_130_and_no_traceback(script: str, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(SLOW_TORCH)
    for split in ("train", "valid"):
        (tmp_path / "data" / split).mkdir(parents=True)
    options = {
        "train.py": ["--data", str(tmp_path / "data"), "--model-dir", str(tmp_path / "model")],
        "build.py": ["--architecture", "resnet18", "--output", str(tmp_path / "model")],
    }
    with subprocess.Popen(
        [sys.executable, str(MODEL_CODE / script), *options[script]],
        env=os.environ | {"PYTHONPATH": str(tmp_path)}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        assert [program.stdout.readline() for _ in range(2)] == ["loading torch\n", "importing\n"]
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=60)
    assert (program.returncode, errors) == (130, "")


def test_a_label_that_the_terminal_lacks_is_printed_with_escapes(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("猫\n犬\n", encoding="utf-8")
    program = (
        "import sys; from pathlib import Path\n"
        "from classifier.training.program import run_program\n"
        "from classifier.training.dataset.labels import read_labels\n"
        "run_program(lambda: print(*read_labels(Path(sys.argv[1]))) or 2)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(labels)],
        env=os.environ | {"PYTHONPATH": str(MODEL_CODE), "PYTHONIOENCODING": "latin-1"},
        capture_output=True, encoding="latin-1", check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (2, "")
    assert ended.stdout == "\\u732b \\u72ac\n"


def test_a_program_ends_with_its_status_whatever_threads_of_libraries_do() -> None:
    program = (
        "import threading, time\n"
        "from classifier.training.program import run_program\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "run_program(lambda: print('done') or 3)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(MODEL_CODE)},
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "done\n", "")
