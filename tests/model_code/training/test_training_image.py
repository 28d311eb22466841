"""train.py where AWS's training image runs it: its archive unpacked, and few packages installed."""

from __future__ import annotations

import importlib.metadata
import io
import json
import re
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from classifier.artifact.directory import read_artifact
from classifier.engines.openvino_engine import OpenVinoEngine
from classifier.training.errors import TrainingError
from classifier.training.job.packages import install_from_index
from classifier.training.options import SPLITS
from classifier.training.weights.network import digest, read_state_dict
from stacks.components.training.source import pack_training_source
from tests.byte_code import share_byte_code
from tests.model_code.conftest import MODEL_CODE
from tests.tar_extraction import extract

# The image has the first two and what they require; the last two come in the channel `wheels`.
INSTALLED = ("torch", "torchvision", "pillow", "onnx", "onnxscript")
# In the environment of these tests, but not in the image.
ABSENT = {"nncf", "onnxruntime", "openvino", "rich", "scipy", "scikit-learn", "timm", "tqdm"}
HYPERPARAMETERS = {
    "architecture": "squeezenet1_1",
    "batch_size": "5",
    "crop": "32",
    "epochs": "2",
    "from-scratch": "true",
    "resize": "36",
    "sagemaker_program": "train.py",
    "sagemaker_submit_directory": "s3://assets/0a1b.gz",
}
RunJob = Callable[..., subprocess.CompletedProcess[str]]


def toolkit_flags(hyperparameters: dict[str, str]) -> list[str]:
    """Return what sagemaker-training's mapping.to_cmd_args makes of hyperparameters.

    Sorted, without its own; a value that is JSON is decoded and written as Python does.
    """
    flags = []
    for name, text in sorted(hyperparameters.items()):
        if name.startswith("sagemaker_"):
            continue
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        flags += [f"--{name}", "" if value is None else str(value)]
    return flags


def required(name: str, extras: frozenset[str] = frozenset()) -> dict[str, None]:
    """Return the names of a distribution and of all that it requires here."""
    found: dict[str, None] = {canonicalize_name(name): None}
    for text in importlib.metadata.requires(name) or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if not marker or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            found |= required(requirement.name, frozenset(requirement.extras))
    return found


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages: those of INSTALLED, what they require, and no others."""
    folder = tmp_path_factory.mktemp("packages")
    names = {name for each in INSTALLED for name in required(each)}
    assert not names & ABSENT
    for name in names:
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            link, target = folder / top, Path(str(distribution.locate_file(top)))
            if not link.exists():
                link.symlink_to(target)
    return folder


@pytest.fixture(scope="module")
def byte_code(packages: Path) -> dict[str, str]:
    return share_byte_code(link=packages, target=Path(torch.__file__).parents[1])


@pytest.fixture(scope="module")
def run_job(image_folder: Path, packages: Path, byte_code: dict[str, str]) -> RunJob:
    """Run train.py as the image's toolkit does; what it has under /opt/ml is in a given folder."""

    def run(folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
        source = io.BytesIO(pack_training_source(MODEL_CODE))
        with tarfile.open(fileobj=source, mode="r:gz") as archive:
            extract(archive, folder / "code")
        (folder / "output").mkdir()
        hyperparameters = HYPERPARAMETERS | changes
        config = folder / "input" / "config"
        config.mkdir(parents=True)
        (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
        channels = {f"SM_CHANNEL_{split.upper()}": str(image_folder / split) for split in SPLITS}
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(packages),
            **byte_code,
            **channels,
            "SM_CHECKPOINT_DIR": str(folder / "checkpoints"),
            "SM_HPS": json.dumps(hyperparameters),
            "SM_INPUT_CONFIG_DIR": str(config),
            "SM_MODEL_DIR": str(folder / "model"),
            "SM_NUM_CPUS": "1",
            "SM_OUTPUT_DATA_DIR": str(folder / "output" / "data"),
            "SM_OUTPUT_DIR": str(folder / "output"),
            "TRAINING_JOB_NAME": "trial-1",
        }
        # Without the environment's own packages. As the toolkit's ProcessRunner does: joined with
        # spaces, without quotes, and run by a shell.
        python = shlex.quote(sys.executable)
        return subprocess.run(  # noqa: S602
            " ".join([python, "-S", "train.py", *toolkit_flags(hyperparameters)]),
            shell=True,
            cwd=folder / "code",
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training job: what SageMaker keeps under /opt/ml."""
    return tmp_path_factory.mktemp("job")


@pytest.fixture(scope="module")
def finished(job: Path, run_job: RunJob) -> subprocess.CompletedProcess[str]:
    """A job that ran to its end, with characters that the state machine lets through."""
    result = run_job(job, name="a.b-C_9", learning_rate="1e-3")
    assert result.returncode == 0, result.stderr
    return result


def test_a_job_writes_an_artifact_that_is_its_state_dict(
    job: Path, finished: subprocess.CompletedProcess[str]
) -> None:
    assert "epoch=1 train_loss=" in finished.stdout
    assert sorted(path.name for path in (job / "model").iterdir()) == [
        "manifest.json",
        "model.onnx",
        "samples",
    ]
    manifest = read_artifact(job / "model").manifest
    assert (manifest.architecture, manifest.name) == ("squeezenet1_1", "a.b-C_9")
    assert manifest.weights_sha256 == digest(read_state_dict(job / "output" / "data/weights.pt"))
    assert manifest.labels == ("dark", "light")
    assert manifest.training_data["images"] == {"train": 12, "valid": 12, "test": 12}
    assert manifest.metrics["epochs"] == 2
    assert not (job / "output" / "failure").exists()


def test_each_epoch_has_a_line_of_metrics_and_the_manifest_the_last(
    job: Path, finished: subprocess.CompletedProcess[str]
) -> None:
    epochs = re.findall(
        r"^epoch=(\d+) train_loss=([0-9.]+) valid_loss=([0-9.]+) valid_accuracy=([0-9.]+) ",
        finished.stdout,
        re.MULTILINE,
    )
    assert [epoch for epoch, *_ in epochs] == ["1", "2"]
    metrics = read_artifact(job / "model").manifest.metrics
    assert float(epochs[-1][2]) == pytest.approx(metrics["valid_loss"], abs=1e-4)
    test_line = re.search(r"^test_loss=\S+ test_accuracy=(\S+)", finished.stdout, re.MULTILINE)
    assert test_line is not None
    assert float(test_line[1]) == pytest.approx(metrics["test_accuracy"], abs=1e-4)


def test_a_job_leaves_its_figures_where_s3_has_them_unpacked(
    job: Path, finished: subprocess.CompletedProcess[str]
) -> None:
    folder = job / "checkpoints" / "trial-1"
    # The checkpoint is gone: the job has ended.
    assert [path.name for path in folder.iterdir()] == ["metrics.json"]
    figures = json.loads((folder / "metrics.json").read_text())
    metrics = read_artifact(job / "model").manifest.metrics
    for name in ("test_accuracy", "valid_accuracy"):
        printed = re.findall(rf"\b{name}=([0-9.eE+-]+)", finished.stdout)
        assert float(printed[-1]) == figures[name] == metrics[name]
    assert (figures["mode"], figures["test_images"]) == ("finetune", 12)
    assert figures["milliseconds_per_image"] is None  # OpenVINO, which serves, is not there


def test_a_job_names_no_command_to_run_next(
    finished: subprocess.CompletedProcess[str],
) -> None:
    assert "make up" not in finished.stdout


@pytest.mark.usefixtures("finished")
def test_what_a_job_wrote_can_be_served(job: Path) -> None:
    artifact = read_artifact(job / "model")
    OpenVinoEngine(
        artifact.model_path("fp32"),
        preprocessing=artifact.manifest.preprocessing,
        class_count=2,
        streams=1,
    ).warm_up()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bach_size": "5"}, "unknown option --bach-size: did you mean --batch-size?"),
        ({"epochs": "three"}, "argument --epochs: invalid int value: 'three'"),
        ({"quantize": "true"}, "--quantize needs requirements-quantize.txt, which pip cannot "),
    ],
)
def test_a_job_that_cannot_start_says_why(
    run_job: RunJob, tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    result = run_job(tmp_path, **changes)
    assert result.returncode == 1
    written = (tmp_path / "output" / "failure").read_text()
    assert reason in written
    assert result.stderr == f"train.py: {written}\n"


def pins(name: str) -> dict[str, str]:
    """Return the versions that a list of requirements pins, by name."""
    text = (MODEL_CODE / name).read_text()
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\n]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["requirements-job.txt", "requirements-quantize.txt"])
def test_a_job_installs_the_versions_that_were_tested_and_none_of_torch(name: str) -> None:
    pinned = pins(name)
    installed = {each: importlib.metadata.version(each) for each in pinned if each != "scipy"}
    assert installed == {each: version for each, version in pinned.items() if each != "scipy"}
    torch_brings = {"torch", "torchvision", "triton", "numpy", "sympy", "networkx"}
    assert not torch_brings & set(pinned)


# requirements/job-excludes.txt says why: with all that the first one requires.
LEFT_OUT = {"requirements-job.txt": {*required("huggingface-hub"), "openvino-telemetry"}}


def test_what_a_job_installs_is_all_that_its_requirements_need() -> None:
    """Pinned to the last package, so that nothing is resolved anew when a job starts."""
    from_the_image = {*required("torch"), *required("torchvision")}
    for name, wanted in (
        ("requirements-job.txt", ("onnx", "onnxscript", "openvino", "scipy", "timm")),
        ("requirements-quantize.txt", ("nncf", "onnxruntime", "openvino")),
    ):
        needed = {each for package in wanted for each in required(package)}
        missing = needed - from_the_image - LEFT_OUT.get(name, set())
        assert missing <= set(pins(name)), name


FAKE_PIP = """\
import pathlib, sys
constraints = pathlib.Path(sys.argv.pop())
pathlib.Path({log!r}).write_text(" ".join(sys.argv[1:]) + "\\n" + constraints.read_text())
print({errors!r}, file=sys.stderr)
sys.exit({status})
"""


@pytest.mark.parametrize(
    ("errors", "status", "reason"),
    [
        ("WARNING: new version", 0, None),
        ("WARNING: x\nERROR: No matching distribution for nncf\nERROR: y", 1, "No matching"),
        ("/usr/bin/python: No module named pip", 1, "No module named pip"),
        ("ERROR: Cannot install nncf==3.4.0 because these", 1, "Cannot install nncf==3.4.0"),
    ],
)
def test_pip_installs_for_quantizing_or_the_job_says_why_not(
    errors: str, status: int, reason: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for pip: what it installs is tested by --quantize in the tests' environment."""
    log = tmp_path / "arguments"
    (tmp_path / "pip.py").write_text(FAKE_PIP.format(log=str(log), errors=errors, status=status))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    requirements = MODEL_CODE / "requirements-quantize.txt"
    kept = [
        f"{name}=={importlib.metadata.version(name)}" for name in ("torch", "torchvision", "numpy")
    ]
    if reason is None:
        install_from_index(requirements)
    else:
        with pytest.raises(
            TrainingError, match=rf"pip cannot install beside .*: .*{reason}"
        ) as caught:
            install_from_index(requirements)
        assert "\n" not in str(caught.value)
        assert f"the image's {', '.join(kept)}: " in str(caught.value)
    command, *constraints = log.read_text().splitlines()
    assert command == f"install --quiet --requirement {requirements} --constraint"
    # pip then refuses to install another version of these, with a reason.
    assert constraints == kept
