"""From a folder to the API through the registry, and the runs that register nothing.

By the commands of docs/training.md, on the cloud of this folder's tests.
"""

import json
import os
import signal
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.drawings import SHAPES, write_drawings
from tests.git_repository import commit, git
from tests.local.api_requests import classify
from tests.local.redeployment.stage_training import (
    ARCHITECTURE,
    STAGE,
    Workshop,
    changed_definition,
    denied,
    open_workshop,
    wait_for_hosts,
)
from tools.local.deployment import LocalDeployment, read_local_deployment

# A training that goes on until it is ended; nothing is downloaded for it.
ENDLESS = {
    "mode": "finetune", "architecture": "squeezenet1_1", "from_scratch": "true", "crop": "64",
    "epochs": "10000",
}  # fmt: skip


@pytest.fixture(scope="module")
def workshop(
    tmp_path_factory: pytest.TempPathFactory,
    state: Path,
    packaged_model: Path,
    deployment: LocalDeployment,
    client: Callable[[str], Any],
) -> Workshop:
    assert deployment
    place = tmp_path_factory.mktemp("training")
    return open_workshop(place, state, packaged_model, client)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawings(tmp_path_factory.mktemp("drawings") / "My shapes", 40)


def test_a_folder_becomes_the_model_that_the_api_serves(workshop: Workshop, shapes: Path) -> None:
    (workshop.clone / ".gitignore").write_text("build\n.venv*\nnode_modules\n")
    git(workshop.clone, "init", "--quiet")
    made_from = commit(workshop.clone, "Begin")
    printed = workshop.train(shapes, "shapes-1").stdout
    assert "120 images of 3 classes" in printed
    assert "120 uploaded" in printed
    assert "| Accuracy on 18 images" in printed, "the job's log"
    assert "PendingManualApproval" in printed
    (pending,) = workshop.packages()
    assert (pending["status"], pending["served"]) == ("PendingManualApproval", False)
    assert pending["commit"] == made_from
    assert pending["execution"] == "shapes-1"
    assert pending["data_version"] in printed
    assert float(pending["test_accuracy"]) >= 0.7
    assert (pending["test_images"], pending["class_count"]) == ("18", "3")
    assert pending["architecture"] == ARCHITECTURE
    assert pending["compared_with"] == "none"

    refused = workshop.make("promote", check=False)
    assert f"No package of {STAGE} is Approved" in refused.stderr
    assert "Package 1 of whippet-local is Approved" in workshop.make("approve").stdout
    assert "approved already" in workshop.make("approve", "VERSION=1", check=False).stderr
    workshop.make("promote")
    lock = tomllib.loads((workshop.clone / "config" / "models" / "local.toml").read_text())
    assert lock["sha256"] == pending["sha256"]
    assert lock["model_package_arn"] == pending["model_package_arn"]
    workshop.make("up")
    deployed = read_local_deployment(workshop.clone / "build" / "local.json")
    assert deployed.labels == sorted(SHAPES)
    for label in SHAPES:
        status, body = classify(deployed, (shapes / label / "0.png").read_bytes())
        assert status == 200
        assert body["predictions"][0]["label"] == label
        assert body["model"]["version"] == pending["sha256"][:12]
    (served,) = workshop.packages()
    assert (served["status"], served["served"]) == ("Approved", True)
    assert served["sha256"] == pending["sha256"], "the approval keeps what the package says"


def test_another_run_is_compared_and_one_below_the_gate_registers_nothing(
    workshop: Workshop, shapes: Path, tmp_path: Path
) -> None:
    again = workshop.train(shapes, "shapes-2").stdout
    assert "none uploaded, 120 there already" in again
    assert "compared with package 1" in again
    assert len(workshop.packages()) == 2
    bad = write_drawings(tmp_path / "mixed", 12, mixed=True)
    ended = workshop.train(bad, "mixed", check=False)
    assert ended.returncode == 2
    assert "mixed failed (BelowGate): " in ended.stderr
    assert "0.7" in ended.stderr
    assert "More or better images help most" in ended.stderr
    assert len(workshop.packages()) == 2


def test_images_that_are_damaged_in_the_bucket_end_the_run_with_the_jobs_reason(
    workshop: Workshop,
) -> None:
    s3, bucket = workshop.client("s3"), workshop.outputs()["DatasetsBucket"]
    names = [f"{split}/{label}/1.png" for split in ("train", "valid", "test") for label in "ab"]
    for name in (*names, "dataset.jsonl"):
        s3.put_object(Bucket=bucket, Key=f"datasets/broken/0123456789ab/{name}", Body=b"no image")
    given = {
        "dataset_prefix": "datasets/broken/0123456789ab",
        "hyperparameters": {"mode": "head", "cache_dir": str(workshop.cache)},
    }
    workshop.client("stepfunctions").start_execution(
        stateMachineArn=workshop.machine, name="broken", input=json.dumps(given)
    )
    ended = workshop.make("watch", "RUN=broken", check=False)
    assert ended.returncode == 2
    assert "AlgorithmError: " in ended.stderr
    assert "no images in class folders" in ended.stderr
    assert "Files that were left out: 6" in ended.stderr


def test_a_host_that_is_killed_ends_the_run(workshop: Workshop, shapes: Path) -> None:
    name = f"killed-{os.getpid()}"  # no process of another run of the tests has it
    command = workshop.training(shapes, "killed", "INSTANCES=2", **ENDLESS, name=name)
    with workshop.started(*command) as process:
        first, second = wait_for_hosts(name, 2)[:2]
        os.kill(second, signal.SIGKILL)
        _, errors = process.communicate(timeout=90)
    assert process.returncode == 2
    assert "SIGKILL, exit code: 137" in errors
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_a_run_goes_on_after_ctrl_c_until_it_is_stopped_with_its_job(
    workshop: Workshop, shapes: Path
) -> None:
    name = f"stopped-{os.getpid()}"
    command = workshop.training(shapes, "stopped", **ENDLESS, name=name)
    with workshop.started(*command) as process:
        (host, *_) = wait_for_hosts(name, 1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        output, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "stopped, which goes on without this terminal" in output
    assert "Stop it:        make stop-training RUN=stopped" in output
    assert "Traceback" not in errors
    os.kill(host, 0)  # it runs
    destroyed = workshop.make("destroy", "STAGE=local", check=False)
    assert destroyed.returncode == 2
    assert f"{STAGE} still has jobs that run, and nothing was deleted" in destroyed.stderr
    assert "run stopped: make stop-training RUN=stopped STAGE=local" in destroyed.stderr
    assert f"job {STAGE}-" in destroyed.stderr
    assert "is stopped" in workshop.make("stop-training", "RUN=stopped").stdout
    watched = workshop.make("watch", "RUN=stopped", check=False)
    assert watched.returncode == 2
    assert "stopped was stopped (Stopped): Stopped by make stop-training" in watched.stderr
    job = next(line for line in watched.stdout.splitlines() if "Training job whippet-" in line)
    job_name = job.partition("Training job ")[2].partition(":")[0]
    sagemaker = workshop.client("sagemaker")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = sagemaker.describe_training_job(TrainingJobName=job_name)["TrainingJobStatus"]
        if status == "Stopped":
            break
        assert status in {"InProgress", "Stopping"}
        time.sleep(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(host, 0)


def test_a_job_that_takes_too_long_ends_the_run(workshop: Workshop, shapes: Path) -> None:
    states = workshop.client("stepfunctions")
    limit = {'"MaxRuntimeInSeconds":3600': '"MaxRuntimeInSeconds":1'}
    with changed_definition(states, workshop.machine, limit):
        ended = workshop.train(shapes, "long", check=False, **ENDLESS)
    assert ended.returncode == 2
    assert "MaxRuntimeExceeded" in ended.stdout + ended.stderr
    assert "long failed" in ended.stderr


@pytest.mark.parametrize(
    ("role", "action", "cause"),
    [
        ("machine", "sagemaker:CreateTrainingJob", "CreateTrainingJob"),
        ("job", "s3:GetObject", "Data download failed"),
    ],
)
def test_a_role_without_a_permission_ends_the_run_with_the_action(
    workshop: Workshop, shapes: Path, role: str, action: str, cause: str
) -> None:
    states = workshop.client("stepfunctions")
    machine = states.describe_state_machine(stateMachineArn=workshop.machine)
    jobs_role = json.loads(machine["definition"])["States"]["TrainModel"]["Arguments"]["RoleArn"]
    arn = machine["roleArn"] if role == "machine" else jobs_role
    # Step Functions cannot tell this error from others, which it tries again after some time.
    soon = {'"IntervalSeconds":20': '"IntervalSeconds":1'}
    with (
        changed_definition(states, workshop.machine, soon),
        denied(workshop.client("iam"), arn, action),
    ):
        ended = workshop.train(shapes, f"denied-{role}", check=False)
    assert ended.returncode == 2
    assert cause in ended.stderr
    assert "A role of the stage lacks this permission: `make up`" in ended.stderr
