"""Jobs with members that Step Functions' own integration of SageMaker does not take."""

from typing import Any

import pytest

from stacks.settings.stage import StageSettings
from tests.stacks.assembly import Assembly, Json
from tests.stacks.conftest import Synthesize
from tests.stacks.training_account import DESCRIBE_JOB, START, TRAIN, TUNE
from tests.stacks.training_workflow import INPUT, request, run, with_training

RUNNING: Json = {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Training"}
SETTINGS: list[Json] = [{"profile": True}, {"encrypt_traffic_between_instances": True}]
TUNING: Json = {
    "strategy": "Random",
    "trials": 2,
    "ranges": {"learning_rate": {"minimum": 0.1, "maximum": 1}},
}


@pytest.fixture(params=SETTINGS, ids=str)
def watching(
    request: pytest.FixtureRequest, dev_settings: StageSettings, synthesize_with: Synthesize
) -> Assembly:
    return synthesize_with(with_training(dev_settings, **request.param))


def test_a_setting_adds_its_member_and_nothing_else(
    dev: Assembly, dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    usual = request(dev)
    members: dict[str, Any] = {}
    for changes in SETTINGS:
        assembly = synthesize_with(with_training(dev_settings, **changes))
        (sent,) = run(assembly).requests(START)
        assert sent.items() >= {k: v for k, v in usual.items() if k != "TrainingJobName"}.items()
        members |= {name: value for name, value in sent.items() if name not in usual}
    profiler = members.pop("ProfilerConfig")
    assert profiler["ProfilingIntervalInMilliseconds"] == 500
    assert profiler["S3OutputPath"] == usual["OutputDataConfig"]["S3OutputPath"]
    assert members == {"EnableInterContainerTrafficEncryption": True}


def test_the_job_is_watched_to_its_end(watching: Assembly) -> None:
    execution = run(watching, looks=[RUNNING, RUNNING])
    assert execution.error is None
    assert execution.requests(TRAIN) == []
    (started,) = execution.requests(START)
    assert execution.waits == [30, 30, 30]
    described = {each["TrainingJobName"] for each in execution.requests(DESCRIBE_JOB)}
    assert described == {started["TrainingJobName"]} == {execution.result["training_job"]}


def test_a_job_that_fails_ends_the_execution_with_its_reason(watching: Assembly) -> None:
    failed = {"TrainingJobStatus": "Failed", "FailureReason": 'AlgorithmError: no "flower"'}
    execution = run(watching, looks=[RUNNING, failed])
    (started,) = execution.requests(START)
    assert execution.error == "States.TaskFailed"
    assert execution.cause == (
        f'Training job {started["TrainingJobName"]}: AlgorithmError: no "flower"'
    )


def test_a_job_that_is_stopped_ends_the_execution(watching: Assembly) -> None:
    stopped = {"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded"}
    execution = run(watching, looks=[stopped])
    assert execution.cause is not None
    assert execution.cause.endswith(": Stopped, MaxRuntimeExceeded")


def test_a_job_that_gets_no_machine_is_started_again_later(watching: Assembly) -> None:
    lacking = {"TrainingJobStatus": "Failed", "FailureReason": "CapacityError: Unable to provision"}
    execution = run(watching, looks=[lacking, RUNNING])
    assert execution.error is None
    first, second = (sent["TrainingJobName"] for sent in execution.requests(START))
    assert first != second
    assert execution.result["training_job"] == second
    assert execution.waits == [30, 600, 30, 30]


def test_a_look_that_fails_is_repeated_and_at_last_ends_the_execution(watching: Assembly) -> None:
    denied: Json = {"Error": "SageMaker.SageMakerException", "Cause": "no"}
    execution = run(watching, looks=[RUNNING, denied, denied, RUNNING])
    assert execution.error is None
    assert execution.waits == [30] * 5
    execution = run(watching, failures={DESCRIBE_JOB: denied})
    assert (execution.error, execution.cause) == (denied["Error"], "no")
    assert execution.waits == [30] * 10


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({"max_runtime_seconds": 432_000}, 195),
        ({"use_spot": True, "max_runtime_seconds": 3600, "max_wait_seconds": 2_592_000}, 1167),
        ({"max_runtime_seconds": 60}, 30),
    ],
)
def test_the_looks_of_the_longest_job_fit_into_a_history(
    changes: Json, seconds: int, dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_training(dev_settings, profile=True, **changes))
    assert run(assembly).waits == [seconds]
    longest = max(changes["max_runtime_seconds"], changes.get("max_wait_seconds", 0))
    assert 9 * longest / seconds < 25_000 - 1_000


def test_a_tuning_job_needs_no_watching(watching: Assembly) -> None:
    """Step Functions looks at the members of the request, not at those of the jobs inside it."""
    execution = run(watching, {**INPUT, "tuning": TUNING})
    assert execution.error is None
    assert execution.waits == []
    assert execution.requests(START) == []
    (sent,) = execution.requests(TUNE)
    # The API has no profiler for the jobs of a tuning job.
    assert "ProfilerConfig" not in sent["TrainingJobDefinition"]
    encrypted = sent["TrainingJobDefinition"].get("EnableInterContainerTrafficEncryption", False)
    assert encrypted is watching.settings.training.encrypt_traffic_between_instances
