import json
import re
import shlex
import subprocess
import sys
import tarfile
from typing import Any

import pytest

from stacks.components.training.source import pack_training_source
from stacks.errors import SettingsError
from stacks.inputs import Inputs
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import (
    Assembly,
    Json,
    allowed_actions,
    flatten,
    statement_allowing,
    statements_for_role,
)
from tests.stacks.conftest import Synthesize
from tests.stacks.state_expressions import CONTEXT, evaluate
from tests.stacks.state_machine import Execution, execute

STATE_MACHINE = "AWS::StepFunctions::StateMachine"
SUCCESS: Json = {"TrainingJobStatus": "Completed"}
INPUT: Json = {"dataset_prefix": "flowers", "hyperparameters": {"epochs": "3"}}


def with_training(settings: StageSettings, **changes: Any) -> StageSettings:
    return with_changes(settings, training=with_changes(settings.training, **changes))


def definition(assembly: Assembly) -> Json:
    """Return the state machine's definition, with references as `<texts>`."""
    machine = assembly.resource("training", STATE_MACHINE)
    parsed: Json = json.loads(flatten(machine.properties["DefinitionString"]))
    return parsed


def task(assembly: Assembly) -> Json:
    found: Json = definition(assembly)["States"]["TrainModel"]
    return found


def request(assembly: Assembly, given: Json = INPUT) -> Json:
    """Return the CreateTrainingJob request of an execution with this input."""
    (sent,) = run(assembly, given, [SUCCESS]).requests
    return sent


def run(assembly: Assembly, given: Any, results: list[Json]) -> Execution:
    """Run an execution whose training jobs end like this."""
    return execute(definition(assembly), given, results)


def role_of(assembly: Assembly, service: str) -> str:
    (role,) = (
        each.logical_id
        for each in assembly.resources("training", "AWS::IAM::Role")
        if each.properties["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
        == {"Service": service}
    )
    return role


def statements(assembly: Assembly, service: str) -> list[Json]:
    return statements_for_role(assembly, "training", role_of(assembly, service))


@pytest.fixture
def workflow_statements(assembly: Assembly) -> list[Json]:
    return statements(assembly, "states.amazonaws.com")


@pytest.fixture
def job_statements(assembly: Assembly) -> list[Json]:
    return statements(assembly, "sagemaker.amazonaws.com")


def test_the_workflow_waits_for_the_job_to_end(assembly: Assembly) -> None:
    assert task(assembly)["Resource"] == (
        "arn:<AWS::Partition>:states:::sagemaker:createTrainingJob.sync"
    )
    assert task(assembly)["End"] is True


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "dataset_prefix must be a text that names a folder"),
        ({"dataset_prefix": ""}, "dataset_prefix must be a text that names a folder"),
        ({"dataset_prefix": "//"}, "dataset_prefix must be a text that names a folder"),
        ({"dataset_prefix": 7}, "dataset_prefix must be a text that names a folder"),
        ([INPUT], "The input must be an object"),
        ({**INPUT, "hyperparameters": ["epochs", 3]}, "hyperparameters must be an object of "),
        ({**INPUT, "hyperparameters": None}, "hyperparameters must be an object of "),
        ({"splits": []}, "dataset_prefix must be a text that names a folder; splits must be a "),
    ],
)
def test_an_execution_with_invalid_input_reports_the_expected_input(
    dev: Assembly, given: Any, problem: str
) -> None:
    execution = run(dev, given, [])
    assert execution.error == "InvalidInput"
    assert execution.cause is not None
    assert execution.cause.startswith(problem)
    assert '. Expected {"dataset_prefix": "flowers", "splits": ' in execution.cause


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "flowers & pets"),
        ("name", "$(touch here)"),
        ("name", "`touch here`"),
        ("name", "a;b"),
        ("name", "a|b"),
        ("name", "~"),
        ("name", "*"),
        ("name", "{a,b}"),
        ("name", "#"),
        ("name", "'"),
        ("name", '"'),
        ("name", "\\"),
        ("name", "a\n"),
        ("name", "a\nb"),
        ("name", "ä"),
        ("name", ""),
        # The toolkit turns it into an empty string.
        ("name", "null"),
        ("name", None),
        ("name", [1, 2]),
        ("name", {"a": 1}),
    ],
)
def test_a_hyperparameter_that_a_shell_would_change_is_refused(
    dev: Assembly, name: str, value: Any
) -> None:
    """The image's toolkit joins the flags with spaces and runs the line in a shell."""
    execution = run(dev, {**INPUT, "hyperparameters": {"epochs": 3, name: value}}, [])
    assert execution.error == "InvalidInput"
    assert execution.cause is not None
    assert execution.cause.startswith(
        "the value of the hyperparameter name must be one or more letters, digits and "
        ". _ : / = + @ , - and not null. Expected "
    )


@pytest.mark.parametrize("name", ["", "1a", "-a", "a b", "a;b", "a\n", "$(a)", "ä", "_a"])
def test_a_hyperparameters_name_is_refused_likewise(dev: Assembly, name: str) -> None:
    execution = run(dev, {**INPUT, "hyperparameters": {"epochs": 3, name: 1}}, [])
    assert execution.error == "InvalidInput"
    assert execution.cause is not None
    assert execution.cause.startswith(
        f'the hyperparameter name "{name}" must be a letter followed by letters, digits, _ and -. '
    )


def test_each_allowed_character_passes_a_shell_unchanged(dev: Assembly) -> None:
    characters = "azAZ09._:/=+@,-"
    given = {"from-scratch": characters, "learning_rate": f"-{characters}", "A_z-9": True}
    sent = request(dev, {**INPUT, "hyperparameters": given})["HyperParameters"]
    words = [sent[name] for name in given] + list(given)
    line = " ".join(
        [shlex.quote(sys.executable), "-c", "'import sys; print(sys.argv[1:])'", *words]
    )
    ended = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)  # noqa: S602
    assert ended.stdout == f"{words}\n"


@pytest.mark.parametrize(
    "splits",
    [
        ["train", "valid"],
        ["valid", "train"],
        ["test", "valid", "train"],
    ],
)
def test_the_splits_of_the_input_are_the_channels(dev: Assembly, splits: list[str]) -> None:
    """SageMaker rejects a channel without objects, and train.py does not need test."""
    channels = request(dev, {**INPUT, "splits": splits})["InputDataConfig"]
    assert [each["ChannelName"] for each in channels] == splits
    addresses = [each["DataSource"]["S3DataSource"]["S3Uri"] for each in channels]
    assert [address.rpartition("/flowers/")[2] for address in addresses] == [
        f"{split}/" for split in splits
    ]


@pytest.mark.parametrize(
    "splits",
    [
        [],
        None,
        "train",
        {"train": "valid"},
        ["train"],
        ["train", "test"],
        ["valid", "test"],
        ["train", "valid", "valid"],
        ["train", "valid", "dev"],
        ["train", "valid", None],
        ["train", "valid", ["test"]],
    ],
)
def test_splits_that_train_py_does_not_know_are_refused(dev: Assembly, splits: Any) -> None:
    execution = run(dev, {**INPUT, "splits": splits}, [])
    assert execution.error == "InvalidInput"
    assert execution.cause is not None
    assert execution.cause.startswith(
        "splits must be a list of train, valid and, where the dataset has it, test, each once. "
    )


def test_the_image_runs_train_py_of_the_source_archive(assembly: Assembly) -> None:
    """Script mode; the SDK sends the same two, and a bash script would not fit into an argument."""
    sent = request(assembly)
    assert sent["HyperParameters"]["sagemaker_program"] == "train.py"
    assert sent["HyperParameters"]["sagemaker_region"] == "<AWS::Region>"
    assert re.fullmatch(
        r"s3://cdk-hnb659fds-assets-<AWS::AccountId>-<AWS::Region>/[0-9a-f]{64}\.gz",
        sent["HyperParameters"]["sagemaker_submit_directory"],
    )
    assert sent["AlgorithmSpecification"].keys() == {
        "TrainingImage", "TrainingInputMode", "MetricDefinitions",
    }  # fmt: skip


def test_hyperparameters_are_the_callers_as_texts_and_ours_win(dev: Assembly) -> None:
    callers = {
        "epochs": 3,
        "learning_rate": 0.0005,
        "from-scratch": True,
        "name": "flowers",
        "sagemaker_program": "other.py",
    }
    ours = request(dev, {"dataset_prefix": "flowers"})["HyperParameters"]
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


def test_a_request_has_only_members_that_step_functions_documents(assembly: Assembly) -> None:
    """Its integration takes a list of members; Environment and ContainerArguments are not in it."""
    assert request(assembly).keys() <= {
        "AlgorithmSpecification",
        "HyperParameters",
        "InputDataConfig",
        "OutputDataConfig",
        "ResourceConfig",
        "RoleArn",
        "StoppingCondition",
        "TrainingJobName",
    }


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
    execution = run(dev, INPUT, [NO_CAPACITY] * failures + [SUCCESS])
    assert (execution.result, execution.error) == (SUCCESS, None)
    assert execution.waits == [600] * failures
    names = [sent.pop("TrainingJobName") for sent in execution.requests]
    assert len(set(names)) == failures + 1
    assert all(sent == execution.requests[0] for sent in execution.requests)


def test_the_third_job_without_a_machine_is_the_last(dev: Assembly) -> None:
    execution = run(dev, INPUT, [NO_CAPACITY] * 3)
    assert len(execution.requests) == 3
    assert execution.waits == [600, 600]
    assert execution.error == "States.TaskFailed"
    assert execution.cause is not None
    assert execution.cause.startswith("Training job whippet-dev-1: CapacityError: Unable to ")


def test_a_job_that_fails_otherwise_is_not_started_again(dev: Assembly) -> None:
    for results in ([failed_job("AlgorithmError: x")], [NO_CAPACITY, failed_job("InternalError")]):
        execution = run(dev, INPUT, results)
        assert len(execution.requests) == len(results)
        assert execution.error == "States.TaskFailed"


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (
            json.dumps({"TrainingJobName": "whippet-dev-1", "FailureReason": 'no "flower"'}),
            'Training job whippet-dev-1: no "flower"',
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
    execution = run(dev, INPUT, [failure])
    assert execution.error == "States.TaskFailed"
    assert execution.cause == expected


def test_channels_are_the_datasets_folders(assembly: Assembly) -> None:
    for prefix in ("flowers/v1", "/flowers/v1/"):
        channels = {
            each["ChannelName"]: each["DataSource"]["S3DataSource"]
            for each in request(assembly, {"dataset_prefix": prefix})["InputDataConfig"]
        }
        assert set(channels) == {"train", "valid", "test"}
        for name, channel in channels.items():
            # A prefix that ends without a slash would take "train-old" as well.
            path = rf"s3://<[^>]*BucketsDatasets[^>]*>/flowers/v1/{name}/"
            assert re.fullmatch(path, channel["S3Uri"])
            assert channel["S3DataType"] == "S3Prefix"


def test_metrics_are_read_from_the_lines_of_train_py(assembly: Assembly) -> None:
    line = "epoch=3 train_loss=0.1 valid_loss=2e-05 valid_accuracy=0.98"
    definitions = request(assembly)["AlgorithmSpecification"]["MetricDefinitions"]
    found = {each["Name"]: re.findall(each["Regex"], line) for each in definitions}
    assert found == {"train_loss": ["0.1"], "valid_loss": ["2e-05"], "valid_accuracy": ["0.98"]}


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


def test_the_asset_is_the_packed_source(assembly: Assembly, inputs: Inputs) -> None:
    (asset,) = (
        file["source"]
        for file in assembly.assets("training")["files"].values()
        if file["source"]["path"].endswith(".gz")
    )
    assert asset["packaging"] == "file"
    archive = assembly.directory / asset["path"]
    assert archive.read_bytes() == pack_training_source(inputs.model_code_directory)
    with tarfile.open(archive, "r:gz") as opened:
        assert set(opened.getnames()) == {
            "train.py",
            "classifier/__init__.py",
            "requirements.txt",
            "requirements-quantize.txt",
        }


@pytest.mark.parametrize("service", ["sagemaker.amazonaws.com", "states.amazonaws.com"])
def test_roles_are_assumed_for_this_account_only(assembly: Assembly, service: str) -> None:
    (role,) = (
        each
        for each in assembly.resources("training", "AWS::IAM::Role")
        if each.logical_id == role_of(assembly, service)
    )
    (statement,) = role.properties["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }


def test_the_workflow_may_run_jobs_of_its_stage(
    assembly: Assembly, workflow_statements: list[Json]
) -> None:
    statement = statement_allowing(workflow_statements, "sagemaker:CreateTrainingJob")
    assert set(statement["Action"]) == {
        "sagemaker:CreateTrainingJob",
        "sagemaker:DescribeTrainingJob",
        "sagemaker:StopTrainingJob",
        "sagemaker:AddTags",
        "sagemaker:ListTags",
    }
    (jobs,) = statement["Resource"]
    assert flatten(jobs).endswith(f":training-job/{assembly.settings.name}-*")


def test_the_workflow_is_notified_of_the_end_by_step_functions_own_rule(
    workflow_statements: list[Json],
) -> None:
    statement = statement_allowing(workflow_statements, "events:PutRule")
    assert set(statement["Action"]) == {
        "events:PutRule",
        "events:PutTargets",
        "events:DescribeRule",
    }
    (rule,) = statement["Resource"]
    assert flatten(rule).endswith(":rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule")


def test_the_workflow_passes_one_role_to_sagemaker_only(
    assembly: Assembly, workflow_statements: list[Json]
) -> None:
    statement = statement_allowing(workflow_statements, "iam:PassRole")
    role = role_of(assembly, "sagemaker.amazonaws.com")
    assert [flatten(each) for each in statement["Resource"]] == [f"<{role}.Arn>"]
    assert statement["Condition"] == {
        "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
    }
    assert request(assembly)["RoleArn"] == f"<{role}.Arn>"


def test_the_workflow_is_logged_and_traced(assembly: Assembly) -> None:
    machine = assembly.resource("training", STATE_MACHINE).properties
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    for group in assembly.resources("training", "AWS::Logs::LogGroup"):
        assert group.properties["RetentionInDays"] == assembly.settings.log_retention_days


def test_a_job_reads_datasets_and_code_and_writes_models(job_statements: list[Json]) -> None:
    reading = [
        flatten(resource)
        for statement in job_statements
        if "s3:GetObject" in statement["Action"]
        for resource in statement["Resource"]
    ]
    assert len(reading) == 2
    assert any(re.fullmatch(r"<BucketsDatasets.*\.Arn>/\*", each) for each in reading)
    assert any(re.search(r"/[0-9a-f]{64}\.gz$", each) for each in reading)
    (written,) = statement_allowing(job_statements, "s3:PutObject")["Resource"]
    assert re.fullmatch(r"<BucketsModels.*\.Arn>/training/\*", flatten(written))


def test_a_job_may_do_nothing_else(job_statements: list[Json]) -> None:
    assert allowed_actions(job_statements) == {
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:GetDownloadUrlForLayer",
        "ecr:BatchGetImage",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
        "cloudwatch:PutMetricData",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:GenerateDataKey",
        "kms:CreateGrant",
    }


def test_a_job_pulls_aws_own_pytorch_image(job_statements: list[Json]) -> None:
    (repository,) = statement_allowing(job_statements, "ecr:BatchGetImage")["Resource"]
    # The account of AWS's images, not ours.
    assert flatten(repository).endswith(":<DlcRepositoryAccountMap>:repository/pytorch")
