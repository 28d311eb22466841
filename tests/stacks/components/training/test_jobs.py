"""The training job of an execution: its request, its retries, its end."""

import hashlib
import json
import re
from typing import Any

import pytest

from stacks.components.training.job_states import ACCEPTED_MEMBERS
from stacks.errors import SettingsError
from stacks.inputs import Inputs
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import Assembly, Json
from tests.stacks.conftest import Synthesize
from tests.stacks.state_expressions import CONTEXT, evaluate
from tests.stacks.training_account import PREFIX, TRAIN
from tests.stacks.training_workflow import INPUT, definition, request, run, with_training


def task(assembly: Assembly) -> Json:
    found: Json = definition(assembly)["States"]["TrainModel"]
    return found


def test_the_image_runs_train_py_of_the_source_archive(assembly: Assembly) -> None:
    """Script mode; the SDK sends the same two, and a bash script would not fit into an argument."""
    sent = request(assembly)
    assert sent["HyperParameters"]["sagemaker_program"] == "train.py"
    assert sent["HyperParameters"]["sagemaker_region"] == "<AWS::Region>"
    assert re.fullmatch(
        r"s3://cdk-hnb659fds-assets-<AWS::AccountId>-<AWS::Region>/"
        rf"{assembly.settings.name}-training/[0-9a-f]{{64}}\.gz",
        sent["HyperParameters"]["sagemaker_submit_directory"],
    )
    assert sent["AlgorithmSpecification"].keys() == {
        "TrainingImage", "TrainingInputMode", "MetricDefinitions",
    }  # fmt: skip


def test_hyperparameters_are_the_callers_as_texts_beside_ours(dev: Assembly) -> None:
    callers = {
        "epochs": 3,
        "learning_rate": 0.0005,
        "from-scratch": True,
        "name": "flowers",
    }
    ours = request(dev, {"dataset_prefix": PREFIX})["HyperParameters"]
    sent = request(dev, {**INPUT, "hyperparameters": callers})["HyperParameters"]
    assert sent == {
        **ours,
        "epochs": "3",
        "learning_rate": "0.0005",
        "from-scratch": "true",
        "name": "flowers",
    }
    assert request(dev, {**INPUT, "hyperparameters": {}})["HyperParameters"] == ours


def at(*, execution: str = "7d1e", entered: str = "09:00", retry: int = 0) -> dict[str, Any]:
    """Return the context of an execution."""
    return {
        "Execution": {**CONTEXT["Execution"], "Id": f"arn:...:{execution}"},
        "State": {**CONTEXT["State"], "EnteredTime": entered, "RetryCount": retry},
    }


def test_each_attempt_of_each_execution_has_a_unique_job_name(assembly: Assembly) -> None:
    name = task(assembly)["Arguments"]["TrainingJobName"]
    contexts = [
        at(),
        at(retry=1),
        at(retry=10),
        at(entered="09:01"),  # a redrive, or the same name again after 90 days
        at(execution="7d1f"),
        at(execution="7D1E"),
        at(execution="ünï.cödé_!"),
        # names that differ in what a job's name may not hold, or beyond its length
        at(execution="a_b"),
        at(execution="a.b"),
        at(execution="x" * 79 + "1"),
        at(execution="x" * 79 + "2"),
    ]
    names = [
        evaluate(name, INPUT, context, {"attempt": attempt})
        for context in contexts
        for attempt in (1, 2, 3)
    ]
    assert len(set(names)) == len(names)
    assert evaluate(name, INPUT, at(), {"attempt": 1}) == names[0]
    for each in names:
        assert re.fullmatch(rf"{assembly.settings.name}-[0-9a-f]{{32}}-[123]-\d+", each)


def test_a_request_has_only_members_that_step_functions_accepts(assembly: Assembly) -> None:
    """Its integration takes a list of members; what a setting requires is absent without it."""
    assert request(assembly).keys() == ACCEPTED_MEMBERS - {
        "EnableManagedSpotTraining",
        "EnableNetworkIsolation",
    }


def test_spot_capacity_is_waited_for_and_checkpoints_are_kept(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    changes = {"use_spot": True, "max_runtime_seconds": 600, "max_wait_seconds": 900}
    sent = request(synthesize_with(with_training(dev_settings, **changes)))
    assert sent["EnableManagedSpotTraining"] is True
    assert sent["StoppingCondition"] == {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900}
    assert re.fullmatch(
        r"s3://<.*BucketsModels.*>/checkpoints/7d1e", sent["CheckpointConfig"]["S3Uri"]
    )
    assert sent["CheckpointConfig"]["LocalPath"] == "/opt/ml/checkpoints"


def test_a_job_without_network_gets_its_source_as_a_channel(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    sent = request(synthesize_with(with_training(dev_settings, network_isolation=True)))
    assert sent["EnableNetworkIsolation"] is True
    channels = {
        each["ChannelName"]: each["DataSource"]["S3DataSource"]["S3Uri"]
        for each in sent["InputDataConfig"]
    }
    name = channels["code"].rpartition("/")[2]
    assert re.fullmatch(r"[0-9a-f]{64}\.gz", name)
    # SageMaker writes an object below the channel's folder, under the last part of its key.
    assert (
        sent["HyperParameters"]["sagemaker_submit_directory"] == f"/opt/ml/input/data/code/{name}"
    )


@pytest.mark.parametrize(
    ("given", "expected"), [({}, 3), ({"instances": 1}, 1), ({"instances": 8}, 8)]
)
def test_an_execution_may_choose_the_number_of_machines(
    given: Json, expected: int, dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_training(dev_settings, instance_count=3))
    assert request(assembly, {**INPUT, **given})["ResourceConfig"]["InstanceCount"] == expected


def test_temporary_errors_are_retried(dev: Assembly) -> None:
    delays = {
        name: [
            rule["IntervalSeconds"] * rule["BackoffRate"] ** retry
            for retry in range(rule["MaxAttempts"])
        ]
        for rule in task(dev)["Retry"]
        for name in rule["ErrorEquals"]
    }
    throttling = [10, 20, 40, 80, 160]
    assert delays == {
        "SageMaker.ThrottlingException": throttling,
        "ThrottlingException": throttling,
        # Includes invalid requests.
        "SageMaker.AmazonSageMakerException": [20, 40],
        "SageMaker.SageMakerException": [20, 40],
        # In a new account the quota is 0, and waiting does not help.
        "SageMaker.ResourceLimitExceededException": [120, 120, 120],
    }


def failed_job(reason: str) -> Json:
    """Return the error output of a job that failed."""
    job = {"TrainingJobName": "whippet-dev-1", "FailureReason": reason}
    return {"Error": "States.TaskFailed", "Cause": json.dumps(job)}


NO_CAPACITY = failed_job("CapacityError: Unable to provision requested ML compute capacity.")


@pytest.mark.parametrize("failures", [1, 2])
def test_a_job_that_gets_no_machine_is_started_again_later(dev: Assembly, failures: int) -> None:
    execution = run(dev, jobs=[NO_CAPACITY] * failures)
    assert execution.error is None
    assert execution.waits == [600] * failures
    first, *others = (dict(sent) for sent in execution.requests(TRAIN))
    names = [sent.pop("TrainingJobName") for sent in (first, *others)]
    assert len(set(names)) == failures + 1
    assert execution.result["training_job"] == names[-1]
    assert all(sent == first for sent in others)


def test_the_third_job_without_a_machine_is_the_last(dev: Assembly) -> None:
    execution = run(dev, jobs=[NO_CAPACITY] * 3)
    assert len(execution.requests(TRAIN)) == 3
    assert execution.waits == [600, 600]
    assert execution.error == "States.TaskFailed"
    assert execution.cause is not None
    assert execution.cause.startswith("Training job whippet-dev-1: CapacityError: Unable to ")


def test_a_job_that_fails_otherwise_is_not_started_again(dev: Assembly) -> None:
    for results in ([failed_job("AlgorithmError: x")], [NO_CAPACITY, failed_job("InternalError")]):
        execution = run(dev, jobs=list(results))
        assert len(execution.requests(TRAIN)) == len(results)
        assert execution.error == "States.TaskFailed"


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (
            json.dumps({"TrainingJobName": "whippet-dev-1", "FailureReason": 'no "flower"'}),
            'Training job whippet-dev-1: no "flower"',
        ),
        (
            json.dumps(
                {
                    "TrainingJobName": "whippet-dev-1",
                    "TrainingJobStatus": "Stopped",
                    "SecondaryStatus": "MaxRuntimeExceeded",
                }
            ),
            "Training job whippet-dev-1: Stopped, MaxRuntimeExceeded",
        ),
        ('{"TrainingJobStatus": "Stopped"}', '{"TrainingJobStatus": "Stopped"}'),
        ('{"FailureReason": "cut o', '{"FailureReason": "cut o'),
        ("The role cannot be assumed", "The role cannot be assumed"),
        (None, "No cause is known; see the history of the execution"),
    ],
)
def test_a_failure_ends_the_execution_with_its_reason(
    dev: Assembly, cause: str | None, expected: str
) -> None:
    (catch,) = task(dev)["Catch"]
    assert catch["ErrorEquals"] == ["States.ALL"]
    failure = {"Error": "States.TaskFailed"} | ({} if cause is None else {"Cause": cause})
    execution = run(dev, jobs=[failure])
    assert execution.error == "States.TaskFailed"
    assert execution.cause == expected


def test_channels_are_the_datasets_folders_and_the_packages(assembly: Assembly) -> None:
    for prefix in (PREFIX, f"/{PREFIX}/"):
        channels = {
            each["ChannelName"]: each["DataSource"]["S3DataSource"]
            for each in request(assembly, {"dataset_prefix": prefix})["InputDataConfig"]
        }
        wheels = channels.pop("wheels", None)
        assert (wheels is None) == (assembly.settings.training.packages == "image")
        if wheels:
            path = r"s3://<[^>]*BucketsDatasets[^>]*>/wheels/[0-9a-f]{64}/"
            assert re.fullmatch(path, wheels["S3Uri"])
        assert list(channels) == ["train", "valid", "test"]
        for name, channel in channels.items():
            # A prefix that ends without a slash would take "train-old" as well.
            path = rf"s3://<[^>]*BucketsDatasets[^>]*>/{PREFIX}/{name}/"
            assert re.fullmatch(path, channel["S3Uri"])
            assert channel["S3DataType"] == "S3Prefix"


def test_the_packages_are_addressed_by_the_hash_of_their_list(
    dev: Assembly, inputs: Inputs
) -> None:
    digest = hashlib.sha256(
        (inputs.model_code_directory / "requirements-job.txt").read_bytes()
    ).hexdigest()
    wheels = request(dev)["InputDataConfig"][3]["DataSource"]["S3DataSource"]["S3Uri"]
    assert wheels.endswith(f"/wheels/{digest}/")


def test_metrics_are_read_from_the_lines_of_train_py(assembly: Assembly) -> None:
    line = "epoch=3 train_loss=0.1 valid_loss=2e-05 valid_accuracy=0.98\ntest_accuracy=0.9416666667"
    definitions = request(assembly)["AlgorithmSpecification"]["MetricDefinitions"]
    found = {each["Name"]: re.findall(each["Regex"], line) for each in definitions}
    assert found == {
        "train_loss": ["0.1"],
        "valid_loss": ["2e-05"],
        "valid_accuracy": ["0.98"],
        "test_accuracy": ["0.9416666667"],
    }


def test_output_goes_encrypted_to_the_models_bucket(assembly: Assembly) -> None:
    output = request(assembly)["OutputDataConfig"]
    assert re.fullmatch(r"s3://<[^>]*BucketsModels[^>]*>/training", output["S3OutputPath"])
    assert "EncryptionKey" in output["KmsKeyId"]


def test_machines_follow_the_settings(assembly: Assembly) -> None:
    parameters = request(assembly)
    training = assembly.settings.training
    resources = parameters["ResourceConfig"]
    assert resources["InstanceType"] == training.instance_type
    assert resources["InstanceCount"] == 1
    assert resources["VolumeSizeInGB"] == training.volume_size_gib
    assert "EncryptionKey" in resources["VolumeKmsKeyId"]
    expected = {"MaxRuntimeInSeconds": training.max_runtime_seconds}
    assert parameters["StoppingCondition"] == expected


@pytest.mark.parametrize("instance_type", ["ml.g4dn.xlarge", "ml.g5.xlarge"])
def test_an_instance_with_its_own_disk_gets_no_volume_key(
    instance_type: str, dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_training(dev_settings, instance_type=instance_type))
    assert "VolumeKmsKeyId" not in request(assembly)["ResourceConfig"]


@pytest.mark.parametrize(
    ("instance_type", "tag"),
    [
        ("ml.m5.xlarge", "2.14-cpu-amzn2023-sagemaker"),
        ("ml.g5.xlarge", "2.13-cu133-amzn2023-sagemaker"),
    ],
)
def test_the_image_fits_the_machine(
    instance_type: str, tag: str, dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_training(dev_settings, instance_type=instance_type))
    image = request(assembly)["AlgorithmSpecification"]["TrainingImage"]
    assert image.endswith(f".dkr.ecr.<AWS::Region>.<AWS::URLSuffix>/pytorch:{tag}")


def test_the_images_account_is_looked_up_by_region(assembly: Assembly) -> None:
    mapping = assembly.template("training")["Mappings"]["DlcRepositoryAccountMap"]
    assert mapping["us-east-1"] == {"value": "763104351884"}
    assert mapping["cn-north-1"] == {"value": "727897471807"}
    assert len(mapping) > 25
    image = request(assembly)["AlgorithmSpecification"]["TrainingImage"]
    assert image.startswith("<DlcRepositoryAccountMap>.dkr.ecr.")


def test_the_images_account_is_literal_where_the_region_is_known(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    pinned = with_changes(dev_settings, account="123456789012", region="eu-south-1")
    assembly = synthesize_with(pinned)
    image = request(assembly)["AlgorithmSpecification"]["TrainingImage"]
    assert image.startswith("692866216735.dkr.ecr.")
    assert "Mappings" not in assembly.template("training")


def test_a_region_without_images_is_refused_with_those_that_have_them(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    pinned = with_changes(dev_settings, account="123456789012", region="xx-nowhere-9")
    with pytest.raises(SettingsError, match=r"region = 'xx-nowhere-9'.*us-east-1"):
        synthesize_with(pinned)
