"""What a user sees of a run, and how `make train` and `make watch` end."""

import json
import sys
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.tools.training.execution import (
    JOB,
    FakeServices,
    created,
    entered,
    failed,
    scheduled,
)
from tests.tools.training.registry import FakeRegistry
from tests.tools.training.stage import EXECUTION, fake_stage
from tools.console import ToolError
from tools.training import watch as watching
from tools.training.stage import TrainingStage
from tools.training.watch import watch

ARN = f"{EXECUTION}:run-1"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_LOCAL_POLL_SECONDS", 0)
    monkeypatch.setattr(watching, "_POLL_SECONDS", 0)


def stage_of(services: FakeServices, stage: str = "local") -> TrainingStage:
    registry = FakeRegistry(f"whippet-{stage}")
    registry.add("PendingManualApproval", test_images="18")

    class SageMaker:
        def __getattr__(self, name: str) -> Any:
            return getattr(services if hasattr(services, name) else registry, name)

    return fake_stage(stage, stepfunctions=services, sagemaker=SageMaker(), logs=services)


def succeeded(**output: Any) -> dict[str, Any]:
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/whippet-local/1"
    output = {
        "model_package_arn": arn, "training_job": JOB, "test_accuracy": 0.9444,
        "compared_with": "none", **output,
    }  # fmt: skip
    return {"execution": {"status": "SUCCEEDED", "output": json.dumps(output)}}


def lines_of(printed: str) -> list[str]:
    """Return the lines of progress without their times."""
    return [line[10:] for line in printed.splitlines() if line[2:3] == ":"]


def test_each_change_is_printed_once_and_the_package_in_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    services = FakeServices(
        {
            "events": [
                entered("CheckInput", "Pass"),
                entered("IsValid", "Choice"),
                entered("List"),
                entered("Train"),
                created(),
            ]
        },
        {"job": {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Starting"}},
        {
            "job": {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Training"},
            "log": {"algo-1": ["epoch=1", "epoch=2\x1b[2J", "epoch=3"]},
        },
        {"log": {"algo-1": ["test_accuracy=0.9444"], "algo-2": ["joined"]}},
        {
            "job": {"TrainingJobStatus": "Completed", "SecondaryStatus": "Completed"},
            "events": [entered("Register"), scheduled(TrainingJobName=JOB)],
            **succeeded(),
        },
    )
    assert watch(stage_of(services), ARN) == 0
    printed = capsys.readouterr().out
    assert lines_of(printed) == [
        "State List",
        "State Train",
        f"Training job {JOB}: Starting",
        "Training job: Training",
        "  | epoch=1",
        "  | epoch=2\\x1b[2J",
        "  | epoch=3",
        "  algo-1 | test_accuracy=0.9444",
        "  algo-2 | joined",
        "Training job: Completed",
        "State Register",
    ]
    assert "whippet-local has package 1, PendingManualApproval: 94.4% of 18 test images" in printed
    assert "no approved package to compare it with" in printed
    assert f"/training/{JOB}/output/output.tar.gz" in printed
    assert printed.endswith("  Approve: make approve VERSION=1\n")


@pytest.mark.parametrize(
    ("compared", "text"),
    [("3", "compared with package 3"), ("not-comparable", "was judged on other test images")],
)
def test_what_the_gate_compared_with_is_said(
    capsys: pytest.CaptureFixture[str], compared: str, text: str
) -> None:
    assert watch(stage_of(FakeServices(succeeded(compared_with=compared))), ARN) == 0
    assert text in capsys.readouterr().out


def test_trials_are_reported_with_their_values(capsys: pytest.CaptureFixture[str]) -> None:
    trial = {"TrainingJobName": "t-1", "TunedHyperParameters": {"learning_rate": "0.1"}}
    metric = {"MetricName": "valid_accuracy", "Value": 0.8888888955116272}
    ended = {"FinalHyperParameterTuningJobObjectiveMetric": metric}
    broken = {"TrainingJobName": "t-2", "FailureReason": "no\nmemory"}
    services = FakeServices(
        {"events": [entered("Tune"), created("HyperParameterTuningJobName", "whippet-local-1")]},
        {"trials": [trial | {"TrainingJobStatus": "InProgress"}]},
        {
            # The best trial is described; its log is not that of the run.
            "events": [scheduled(TrainingJobName="t-1")],
            "job": {"TrainingJobStatus": "Completed"},
            "trials": [
                trial | ended | {"TrainingJobStatus": "Completed"},
                broken | {"TrainingJobStatus": "Failed"},
            ],
        },
        succeeded(),
    )
    assert watch(stage_of(services), ARN) == 0
    assert lines_of(capsys.readouterr().out) == [
        "State Tune",
        "Tuning job whippet-local-1: InProgress",
        "  Trial 1: learning_rate = 0.1: InProgress",
        "  Trial 1: learning_rate = 0.1: Completed, valid_accuracy 0.8889",
        "  Trial 2: Failed: no\\nmemory",
    ]


def test_nothing_is_silent_for_ten_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.status_line._LOG_SECONDS", 0.1)
    monkeypatch.setattr("tools.training.watch._LOCAL_POLL_SECONDS", 0.1)
    silent: list[dict[str, Any]] = [{} for _ in range(4)]
    services = FakeServices({"events": [entered("Train"), created()]}, *silent, succeeded())
    assert watch(stage_of(services), ARN) == 0
    so_far = [line for line in lines_of(capsys.readouterr().out) if line.endswith("s so far")]
    assert len(so_far) >= 2
    assert so_far[0].startswith(f"Train, {JOB}: not created yet, ")


FAILED_JOB = json.dumps({"TrainingJobName": JOB, "FailureReason": "AlgorithmError: no images"})


@pytest.mark.parametrize(
    ("execution", "texts"),
    [
        (
            {"status": "FAILED", "error": "BelowGate", "cause": "0.6 is below 0.7"},
            ("run-1 failed (BelowGate): 0.6 is below 0.7", "minimum_test_accuracy", "config/dev."),
        ),
        (
            {"status": "FAILED", "error": "States.TaskFailed", "cause": FAILED_JOB},
            (f"{JOB}: AlgorithmError: no images", "`make watch RUN=run-1 STAGE=dev`"),
        ),
        (
            {"status": "FAILED", "error": "DatasetMissing", "cause": "no dataset.jsonl"},
            ("`make dataset DATA=<folder> STAGE=dev`",),
        ),
        (
            {
                "status": "FAILED",
                "error": "SageMaker.AmazonSageMakerException",
                "cause": "User: x is not authorized to perform: sagemaker:CreateTrainingJob",
            },
            ("sagemaker:CreateTrainingJob", "`make deploy STAGE=dev` gives the roles"),
        ),
        (
            {"status": "ABORTED", "error": "Stopped", "cause": "Stopped by make stop-training"},
            ("run-1 was stopped (Stopped): Stopped by make", "The same command trains again"),
        ),
        ({"status": "TIMED_OUT"}, ("run-1 took longer than the state machine allows",)),
    ],
)
def test_a_run_without_a_package_ends_with_its_cause_and_a_command(
    execution: dict[str, str], texts: tuple[str, ...]
) -> None:
    services = FakeServices({"events": [entered("Train")], "execution": execution})
    with pytest.raises(ToolError) as raised:
        watch(stage_of(services, "dev"), ARN)
    for text in texts:
        assert text in str(raised.value)


def test_a_task_that_is_tried_again_is_shown_with_its_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    services = FakeServices(
        {"events": [failed("States.TaskFailed", FAILED_JOB), failed("Throttled", "x" * 999)]},
        succeeded(),
    )
    watch(stage_of(services), ARN)
    first, second = lines_of(capsys.readouterr().out)
    assert first == "States.TaskFailed: AlgorithmError: no images"
    assert second == f"Throttled: {'x' * 300}…"


def test_ctrl_c_ends_only_the_watching(capsys: pytest.CaptureFixture[str]) -> None:
    services = FakeServices({"events": [entered("Train")]}, {"interrupted": True})
    assert watch(stage_of(services, "dev"), ARN) == 130
    printed = capsys.readouterr().out
    assert "run-1, which goes on without this terminal" in printed
    assert "Watch it again: make watch RUN=run-1 STAGE=dev" in printed
    assert "Stop it:        make stop-training RUN=run-1 STAGE=dev" in printed
    assert services.stopped == []


def test_a_network_that_is_down_ends_only_the_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    services = FakeServices({"events": [entered("Train")]})

    def unreachable(**_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://states.eu-west-1.amazonaws.com")

    monkeypatch.setattr(services, "describe_execution", unreachable)
    with pytest.raises(ToolError, match=r"cannot be reached: check the network(.|\n)*goes on"):
        watch(stage_of(services), ARN)


def run(monkeypatch: pytest.MonkeyPatch, services: FakeServices, *arguments: str) -> int:
    monkeypatch.setattr(watching, "open_stage", lambda *_: stage_of(services))
    monkeypatch.setattr(sys, "argv", ["watch", *arguments])
    return watching.main()


def test_a_run_is_stopped_once_with_the_jobs_that_it_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tuning = created("HyperParameterTuningJobName", "whippet-local-1")
    services = FakeServices({"events": [entered("Train"), created(), tuning]})
    assert run(monkeypatch, services, "--stop", "run-1") == 0
    assert services.stopped == [ARN, JOB, "whippet-local-1"]
    services.described["status"] = "FAILED"
    assert run(monkeypatch, services, "--stop", "run-1") == 0
    assert len(services.stopped) == 3
    assert "run-1 has ended already (FAILED)." in capsys.readouterr().out


def test_an_unknown_run_names_those_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    services = FakeServices()
    services.started = {"flowers-1": {}, "flowers-2": {}}
    with pytest.raises(ToolError, match="no run of this name; the latest are flowers-1, flowers-2"):
        run(monkeypatch, services, "run-1")
