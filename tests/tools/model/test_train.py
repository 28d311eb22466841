"""`make train`: what reaches the programs of model_code, and what is refused before anything runs.

The training environment's Python is a stand-in; tests/model_code train with the real one.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tools.deployment.builders import PYTHON_PROGRAM
from tests.tools.run_make import make
from tests.tree_copy import copy_parts
from tools.cdk import ROOT

COPIED = (
    "Makefile", "model_code/classifier/artifact", "model_code/classifier/training",
    "stacks/__init__.py", "stacks/names.py", "tools",
)  # fmt: skip

# Notes its arguments; "trains" until it is interrupted, or ends at once with a status.
FAKE_PYTHON = f"""{PYTHON_PROGRAM}import json, os, pathlib, sys, time
sys.path.append({str(ROOT)!r})
try:
    with open("runs.jsonl", "a") as runs:
        runs.write(json.dumps(sys.argv[1:]) + "\\n")
    if "WAIT" in os.environ:
        time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.5)  # longer than a parent waits that kills its child
    pathlib.Path("saved").touch()
    sys.exit(130)
script = pathlib.Path(sys.argv[1]).name
if script == os.environ.get("KILLED"):
    os.kill(os.getpid(), 9)
if script == "train.py" and "WRITES" in os.environ:
    output = pathlib.Path(sys.argv[sys.argv.index("--output-dir") + 1])
    output.mkdir(parents=True, exist_ok=True)
    for name in os.environ["WRITES"].split():
        (output / name).write_text("of this run")
if script == "build.py" and script != os.environ.get("BROKEN"):
    from tests.stacks.fake_inputs import NETWORKS, manifest_of
    output = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
    output.mkdir(parents=True)
    manifest = manifest_of(NETWORKS, name="shades", metrics={{"test_accuracy": 0.875}})
    (output / "manifest.json").write_text(json.dumps(manifest))
sys.exit(1 if script == os.environ.get("BROKEN") else 0)
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clones") / "it's a folder"
    copy_parts(COPIED, root)
    return root


@pytest.fixture
def clone(template: Path) -> Path:
    for name in (".venvs", "build", "runs.jsonl", "saved"):
        path = template / name
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
    program = template / ".venvs" / "training" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(FAKE_PYTHON)
    program.chmod(0o755)
    (template / "möbel & co").mkdir(exist_ok=True)
    return template


def tool(clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the tool as the Makefile does."""
    return subprocess.run(
        [sys.executable, "-m", "tools.model.train", "--from-make"], cwd=clone,
        env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def runs(clone: Path) -> list[list[str]]:
    path = clone / "runs.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ((), "DATA: expected a folder or zip of images, <label>/<image>"),
        (("DATA=$(shell touch x)",), "DATA: $(shell touch x) does not exist; expected a folder"),
        (("DATA=`touch x`",), "DATA: `touch x` does not exist; expected a folder or zip"),
        (("DATA=Makefile",), "DATA: Makefile is no zip; expected one, or a folder, of images"),
        (("DATA=tools", "MODE=full"), "MODE: invalid choice: 'full'"),
        (("DATA=tools", "QUANTIZE=yes"), "QUANTIZE: invalid choice: 'yes'"),
        (("DATA=tools", "SAMPLES=25"), "SAMPLES: 25; expected a number from 0 to 24"),
        (("DATA=tools", "SAMPLES=few"), "SAMPLES: invalid int value: 'few'"),
        (("DATA=tools", "WEIGHTS=w.pt"), "WEIGHTS: w.pt is no file; expected a state dict"),
    ],
)
def test_a_wrong_variable_is_named_before_anything_is_installed(
    clone: Path, variables: tuple[str, ...], message: str
) -> None:
    ended = make(clone, "train", *variables)
    assert ended.returncode == 2
    assert ended.stderr.startswith(message)
    assert runs(clone) == []


def test_the_folder_is_trained_on_and_published_where_make_up_takes_it(clone: Path) -> None:
    ended = tool(clone, WHIPPET_DATA="möbel & co")
    assert (ended.returncode, ended.stderr) == (0, "")
    build = clone / "build"
    assert runs(clone) == [
        [
            f"{clone}/model_code/train.py",
            *("--data", f"{clone}/möbel & co", "--mode", "head"),
            *("--samples", "6"),
            *("--model-dir", f"{build}/train/model", "--output-dir", f"{build}/train"),
            *("--cache-dir", f"{build}"),
        ],
        [
            f"{clone}/model_code/build.py",
            *("--trained", f"{build}/train/model", "--output", f"{build}/model"),
        ],
    ]
    *_, model, accuracy, following = ended.stdout.splitlines()
    assert model == "build/model holds shades, 10 labels."
    assert "87.5% of the test images" in accuracy
    assert following.split()[:3] == ["Next:", "make", "up,"]


@pytest.mark.parametrize(
    ("mode", "written"),
    [
        ("head", {"report.html", "label_suspicion.jsonl"}),
        ("finetune", {"report.html", "weights.pt"}),
        ("finetune", {"weights.pt"}),
    ],
)
def test_what_an_earlier_run_wrote_about_another_model_is_deleted(
    clone: Path, mode: str, written: set[str]
) -> None:
    output = clone / "build" / "train"
    output.mkdir(parents=True)
    for name in ("report.html", "label_suspicion.jsonl", "weights.pt", "checkpoint.pt"):
        (output / name).write_text("of an earlier run")
    ended = tool(clone, WHIPPET_DATA="tools", WHIPPET_MODE=mode, WRITES=" ".join(written))
    assert (ended.returncode, ended.stderr) == (0, "")
    # The state of a run that was interrupted is kept.
    assert {path.name for path in output.iterdir()} == written | {"checkpoint.pt"}
    assert ("report.html" in ended.stdout) is ("report.html" in written)


def test_weights_that_are_given_are_kept_wherever_they_are(clone: Path) -> None:
    weights = clone / "build" / "train" / "weights.pt"
    weights.parent.mkdir(parents=True)
    weights.touch()
    ended = tool(clone, WHIPPET_DATA="tools", WHIPPET_WEIGHTS="build/train/weights.pt")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert weights.exists()


def test_every_variable_reaches_the_training(clone: Path) -> None:
    weights = clone / "w $b.pt"
    weights.touch()
    ended = tool(
        clone, WHIPPET_DATA=str(clone / "tools"), WHIPPET_BACKBONE="resnet50",
        WHIPPET_MODE="finetune", WHIPPET_QUANTIZE="1", WHIPPET_WEIGHTS="w $b.pt",
        WHIPPET_SAMPLES="0", WHIPPET_RESTART="1",
    )  # fmt: skip
    assert ended.returncode == 0
    train, _ = runs(clone)
    for flags in (
        ["--mode", "finetune"], ["--architecture", "resnet50"], ["--weights-file", str(weights)],
        ["--quantize"], ["--samples", "0"], ["--restart"],
    ):  # fmt: skip
        place = train.index(flags[0])
        assert train[place : place + len(flags)] == flags


def test_a_training_that_fails_leaves_the_model_as_it_is(clone: Path) -> None:
    stale = clone / "build" / "train" / "report.html"
    stale.parent.mkdir(parents=True)
    stale.touch()
    ended = tool(clone, WHIPPET_DATA="tools", BROKEN="train.py")
    assert ended.returncode == 1
    assert len(runs(clone)) == 1
    assert ended.stderr.startswith("Nothing was trained; the reason is above (make's variables are")
    assert stale.exists()


def test_a_training_that_is_killed_says_by_which_signal_and_why(clone: Path) -> None:
    ended = tool(clone, WHIPPET_DATA="tools", KILLED="train.py")
    assert ended.returncode == 1
    assert ended.stderr.startswith("Training was ended by SIGKILL, most likely by the system")
    assert "the memory was full" in ended.stderr
    assert "the same command continues" in ended.stderr


@pytest.mark.parametrize(
    ("how", "reason"), [("BROKEN", "the reason is above"), ("KILLED", "it was ended by SIGKILL")]
)
def test_a_model_that_is_trained_but_not_packed_can_be_packed_by_the_command_that_is_printed(
    clone: Path, how: str, reason: str
) -> None:
    ended = tool(clone, WHIPPET_DATA="tools", **{how: "build.py"})
    assert ended.returncode == 1
    what, command = ended.stderr.rstrip().splitlines()
    assert what.startswith(
        f"The model is trained, but could not be packed into build/model: {reason}"
    )
    assert "Nothing was trained" not in ended.stderr
    subprocess.run(["/bin/sh", "-c", command], cwd=clone, check=True)
    packed = json.loads((clone / "build" / "model" / "manifest.json").read_text())
    assert packed["name"] == "shades"


def test_ctrl_c_lets_the_training_save_and_exits_with_130(clone: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tools.model.train", "tools"], cwd=clone,
        env=os.environ | {"WAIT": "1"}, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        while not runs(clone):
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.wait(30) == 130
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert (clone / "saved").exists()
    assert len(runs(clone)) == 1
