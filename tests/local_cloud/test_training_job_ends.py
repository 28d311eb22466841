"""How training jobs end other than well, and what is left of them."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_cloud.processes import JOB_VARIABLE
from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.jobs.training import run
from tests.local_cloud.sagemaker import StandInSageMaker
from tests.local_cloud.training_jobs import (
    TIMEOUT_SECONDS,
    channel,
    ended,
    packed,
    resources,
    start,
    training_request,
    unpacked,
    wait_for_log,
)

ENDLESS = """
import os, time
print("process", os.getpid(), flush=True)
time.sleep(600)
"""
REPORTING = """
import os, pathlib, sys
pathlib.Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text("too few images")
print("last line")
sys.exit(3)
"""
# Writes a model at SIGTERM, as a program may in SageMaker's 120 seconds.
SAVING = """
import os, signal, sys, time
from pathlib import Path

def save(*_):
    Path(os.environ["SM_MODEL_DIR"], "weights").write_text("so far")
    sys.exit(0)

signal.signal(signal.SIGTERM, save)
print("process", os.getpid(), flush=True)
time.sleep(600)
"""
STUBBORN = """
import os, signal, subprocess, sys, time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
print("process", os.getpid(), flush=True)
print("process", subprocess.Popen(sleeping, start_new_session=True).pid, flush=True)
print("process", subprocess.Popen(sleeping, env={}).pid, flush=True)
time.sleep(600)
"""


def process_ids(sagemaker: StandInSageMaker) -> list[int]:
    lines = [line for lines in sagemaker.platform.logs.values() for line in lines]
    return [int(line.split()[1]) for line in lines if line.startswith("process ")]


def wait_for_processes(sagemaker: StandInSageMaker, count: int) -> list[int]:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if len(found := process_ids(sagemaker)) == count:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{process_ids(sagemaker)}: {count} processes expected")


def is_alive(process: int) -> bool:
    try:
        # An orphan that has ended may wait to be noticed by the system's first process.
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def running_jobs(sagemaker: StandInSageMaker) -> list[psutil.Process]:
    jobs, found = sagemaker.logs.parent / "jobs", []
    for process in psutil.process_iter():
        try:
            if Path(process.environ().get(JOB_VARIABLE, "/")).is_relative_to(jobs):
                found.append(process)
        except psutil.Error:
            continue
    return found


def failed(sagemaker: StandInSageMaker, name: str = "job") -> str:
    described = ended(sagemaker, name)
    assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Failed"
    reason = str(described["FailureReason"])
    assert described["SecondaryStatusTransitions"][-1]["StatusMessage"] == reason
    assert sagemaker.platform.events[-1][3]["FailureReason"] == reason
    assert not list((sagemaker.logs.parent / "jobs").glob("*/*/*")), "its folders stay"
    return reason


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import sys; print('epoch=1'); sys.exit('the dataset has one class')",
         "AlgorithmError: the dataset has one class, exit code: 1"),
        (REPORTING, "AlgorithmError: too few images, exit code: 3"),
        ("raise SystemExit(7)",
         "AlgorithmError: The program printed nothing, exit code: 7"),
        ("raise SystemExit(200)",
         "AlgorithmError: The program printed nothing, exit code: 200"),
        ("import os; os.kill(os.getpid(), 11)",
         "AlgorithmError: algo-1 was ended by SIGSEGV, exit code: 139"),
    ],
)  # fmt: skip
def test_a_program_that_fails_ends_its_job_with_its_words(
    sagemaker: StandInSageMaker, program: str, reason: str
) -> None:
    start(sagemaker, program)
    assert failed(sagemaker) == reason
    assert ("models", "training/job/output/model.tar.gz") not in sagemaker.s3.objects


def test_a_long_reason_is_cut(sagemaker: StandInSageMaker) -> None:
    start(sagemaker, "import sys; sys.exit('x' * 5000)")
    assert len(failed(sagemaker)) == 1024


def test_a_killed_host_ends_the_others_with_its_reason(sagemaker: StandInSageMaker) -> None:
    start(sagemaker, ENDLESS, ResourceConfig=resources(2))
    processes = wait_for_processes(sagemaker, 2)
    (second,) = [
        process
        for process in running_jobs(sagemaker)
        if process.environ()["SM_CURRENT_HOST"] == "algo-2"
    ]
    os.kill(second.pid, signal.SIGKILL)
    began = time.monotonic()
    assert failed(sagemaker) == ("AlgorithmError: algo-2 was ended by SIGKILL, exit code: 137")
    assert time.monotonic() - began < 10
    assert not any(is_alive(process) for process in processes)


FIRST_OF_TWO = """
import os, sys, time
if os.environ["SM_CURRENT_HOST"] == "algo-1":
    time.sleep(600)
sys.exit("no gradient")
"""
# The second host has ended when the first does, however busy the machine is.
BOTH_OF_TWO = """
import os, sys, time
from pathlib import Path
if os.environ["SM_CURRENT_HOST"] == "algo-2":
    Path("{place}").write_text(str(os.getpid()))
    os.kill(os.getpid(), 9)
while not (Path("{place}").exists() and Path("{place}").read_text()):
    time.sleep(0.01)
other = Path(f"/proc/{{Path('{place}').read_text()}}/stat")
while other.exists() and " Z " not in other.read_text():
    time.sleep(0.01)
sys.exit("the other host does not respond")
"""


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (FIRST_OF_TWO, "AlgorithmError: no gradient, exit code: 1"),
        (BOTH_OF_TWO, "AlgorithmError: algo-2 was ended by SIGKILL, exit code: 137"),
    ],
)
def test_the_reason_is_that_of_the_host_that_failed(
    sagemaker: StandInSageMaker,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    program: str,
    reason: str,
) -> None:
    # Both have ended when they are looked at.
    monkeypatch.setattr(run, "_POLL_SECONDS", 2.0)
    program = program.format(place=tmp_path / "process")
    start(sagemaker, program, ResourceConfig=resources(2))
    assert failed(sagemaker) == reason


def test_a_job_is_stopped_and_keeps_what_it_saved(sagemaker: StandInSageMaker) -> None:
    start(sagemaker, SAVING)
    wait_for_processes(sagemaker, 1)
    sagemaker.call("StopTrainingJob", TrainingJobName="job")
    sagemaker.call("StopTrainingJob", TrainingJobName="job")  # as often as one likes
    described = ended(sagemaker)
    assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Stopped"
    assert "FailureReason" not in described
    statuses = [each["Status"] for each in described["SecondaryStatusTransitions"]]
    assert statuses == ["Starting", "Downloading", "Training", "Stopping", "Stopped"]
    archive = sagemaker.s3.objects["models", "training/job/output/model.tar.gz"]
    assert unpacked(archive) == {"weights": b"so far"}
    with pytest.raises(AwsError, match="the training job is in status Stopped"):
        sagemaker.call("StopTrainingJob", TrainingJobName="job")


def test_a_job_that_is_stopped_during_its_download_does_not_start(
    sagemaker: StandInSageMaker,
) -> None:
    sagemaker.s3.is_open.clear()
    start(sagemaker, ENDLESS)
    sagemaker.call("StopTrainingJob", TrainingJobName="job")
    assert sagemaker.call("DescribeTrainingJob", TrainingJobName="job")["TrainingJobStatus"] == (
        "Stopping"
    )
    sagemaker.s3.is_open.set()
    described = ended(sagemaker)
    statuses = [each["Status"] for each in described["SecondaryStatusTransitions"]]
    assert statuses == ["Starting", "Downloading", "Stopping", "Stopped"]
    assert sagemaker.platform.logs == {}


def test_a_program_that_does_not_stop_is_killed_with_its_children(
    sagemaker: StandInSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_GRACE_SECONDS", 0.2)
    start(sagemaker, STUBBORN)
    processes = wait_for_processes(sagemaker, 3)
    sagemaker.call("StopTrainingJob", TrainingJobName="job")
    assert ended(sagemaker)["TrainingJobStatus"] == "Stopped"
    assert not any(is_alive(process) for process in processes)


def test_a_job_ends_at_its_time_limit(sagemaker: StandInSageMaker) -> None:
    start(sagemaker, SAVING, StoppingCondition={"MaxRuntimeInSeconds": 1})
    described = ended(sagemaker)
    assert described["TrainingJobStatus"] == "Stopped"
    assert described["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert described["TrainingTimeInSeconds"] >= 1
    archive = sagemaker.s3.objects["models", "training/job/output/model.tar.gz"]
    assert unpacked(archive) == {"weights": b"so far"}


def test_the_end_of_the_cloud_ends_every_job(sagemaker: StandInSageMaker) -> None:
    for name in ("first-job", "second-job"):
        start(sagemaker, STUBBORN, name)
    processes = wait_for_processes(sagemaker, 6)
    began = time.monotonic()
    sagemaker.jobs.stop()
    assert time.monotonic() - began < 3
    assert not any(is_alive(process) for process in processes)


def test_a_role_that_may_not_read_the_data_fails_the_job(sagemaker: StandInSageMaker) -> None:
    sagemaker.s3.objects["datasets", "train/a"] = b"a"
    sagemaker.s3.denied = {("GetObject", "training")}
    start(sagemaker, "", InputDataConfig=[channel("train", "s3://datasets/train")])
    assert failed(sagemaker) == (
        "ClientError: Data download failed:Unable to download object s3://datasets/train/a "
        "(AccessDenied: Access Denied)"
    )


def test_a_role_that_may_not_read_the_source_fails_the_job(sagemaker: StandInSageMaker) -> None:
    sagemaker.s3.denied = {("GetObject", "training")}
    start(sagemaker, "")
    assert "s3://assets/source.tar.gz (AccessDenied: Access Denied)" in failed(sagemaker)


def test_a_role_that_may_not_write_the_model_fails_the_job(sagemaker: StandInSageMaker) -> None:
    sagemaker.s3.denied = {("PutObject", "training")}
    start(
        sagemaker,
        "import os, pathlib; pathlib.Path(os.environ['SM_MODEL_DIR'], 'weights').touch()",
    )
    assert failed(sagemaker) == (
        "ClientError: Artifact upload failed:Unable to upload "
        "s3://models/training/job/output/model.tar.gz (AccessDenied: Access Denied)"
    )


def started_as(sagemaker: StandInSageMaker, archive: bytes, **hyperparameters: str) -> str:
    sagemaker.s3.objects["assets", "source.tar.gz"] = archive
    request = training_request(hyperparameters=hyperparameters)
    sagemaker.call("CreateTrainingJob", **request)
    return failed(sagemaker)


@pytest.mark.parametrize(
    ("archive", "hyperparameters", "reason"),
    [
        (b"no archive", {}, "cannot be unpacked; expected a gzip-compressed tar"),
        (packed(other=""), {}, "the source archive has no train.py"),
        (packed(train=""), {"sagemaker_program": "train.sh"}, "runs one Python file"),
        (packed(train=""), {"sagemaker_submit_directory": "s3://assets/none"}, "NoSuchKey"),
        (packed(train=""), {"sagemaker_submit_directory": "/opt/ml/input/data/../../x"},
         "expected an address s3://bucket/key or a path"),
    ],
)  # fmt: skip
def test_a_source_that_cannot_run_fails_the_job(
    sagemaker: StandInSageMaker, archive: bytes, hyperparameters: dict[str, str], reason: str
) -> None:
    assert reason in started_as(sagemaker, archive, **hyperparameters)


def test_a_missing_training_environment_says_how_to_make_it(
    sagemaker: StandInSageMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(sagemaker.jobs.training, "_python", tmp_path / "none" / "python")
    start(sagemaker, "")
    assert "run `make training-environment`" in failed(sagemaker)


CHECKPOINTS = """
import os, time
from pathlib import Path

folder = Path(os.environ["SM_CHECKPOINT_DIR"], os.environ["TRAINING_JOB_NAME"])
folder.mkdir(parents=True, exist_ok=True)
earlier = sorted(Path(os.environ["SM_CHECKPOINT_DIR"]).glob("*/epoch"))
print("found", *(f"{path.parent.name}={path.read_text()}" for path in earlier), flush=True)
(folder / "epoch").write_text("1")
print("waiting", flush=True)
while not Path(os.environ["SM_CHECKPOINT_DIR"], "stop").exists() and not earlier:
    time.sleep(0.02)
"""


def test_a_failed_job_keeps_its_last_checkpoint_and_its_output(
    sagemaker: StandInSageMaker,
) -> None:
    program = """
import os, pathlib, sys
pathlib.Path(os.environ["SM_CHECKPOINT_DIR"], "last").write_text("7")
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "log").write_text("so far")
sys.exit("no memory")
"""
    configuration = {"S3Uri": "s3://models/checkpoints/"}
    start(sagemaker, program, CheckpointConfig=configuration)
    assert failed(sagemaker) == "AlgorithmError: no memory, exit code: 1"
    assert sagemaker.s3.objects["models", "checkpoints/last"] == b"7"
    archive = sagemaker.s3.objects["models", "training/job/output/output.tar.gz"]
    assert unpacked(archive) == {"log": b"so far"}


def test_checkpoints_are_kept_and_found_by_the_next_job(
    sagemaker: StandInSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from local_cloud.sagemaker.jobs.training import checkpoints

    monkeypatch.setattr(checkpoints, "_EVERY_SECONDS", 0.05)
    configuration = {"S3Uri": "s3://models/checkpoints", "LocalPath": "/opt/ml/checkpoints"}
    start(sagemaker, CHECKPOINTS, "first-job", CheckpointConfig=configuration)
    wait_for_log(sagemaker, "waiting")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while ("models", "checkpoints/first-job/epoch") not in sagemaker.s3.objects:
        assert time.monotonic() < deadline, "not synced while the job runs"
        time.sleep(0.02)
    os.kill(running_jobs(sagemaker)[0].pid, signal.SIGKILL)
    assert "SIGKILL" in failed(sagemaker, "first-job")
    start(sagemaker, CHECKPOINTS, "second-job", CheckpointConfig=configuration)
    assert ended(sagemaker, "second-job")["TrainingJobStatus"] == "Completed"
    wait_for_log(sagemaker, "found first-job=1")
    assert sagemaker.s3.objects["models", "checkpoints/second-job/epoch"] == b"1"
