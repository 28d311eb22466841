import dataclasses
import json
import re
from typing import Any

import botocore.session
import pytest

from stacks.components.training_container import EXPORT_PACKAGES, QUANTIZE_PACKAGES
from stacks.errors import SettingsError
from stacks.settings import StageSettings
from tests.stacks.assembly import (
    REPOSITORY,
    Assembly,
    Json,
    allowed_actions,
    flatten,
    statement_allowing,
    statements_for_role,
)
from tests.stacks.conftest import Synthesize

STATE_MACHINE = "AWS::StepFunctions::StateMachine"


def with_training(settings: StageSettings, **changes: Any) -> StageSettings:
    return dataclasses.replace(settings, training=dataclasses.replace(settings.training, **changes))


def definition(assembly: Assembly) -> Json:
    """Return the state machine's definition, with references as `<texts>`."""
    machine = assembly.resource("training", STATE_MACHINE)
    parsed: Json = json.loads(flatten(machine.properties["DefinitionString"]))
    return parsed


def task(assembly: Assembly) -> Json:
    found: Json = definition(assembly)["States"]["TrainModel"]
    return found


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
    assert definition(assembly)["StartAt"] == "TrainModel"
    assert task(assembly)["Resource"] == (
        "arn:<AWS::Partition>:states:::sagemaker:createTrainingJob.sync"
    )
    assert task(assembly)["End"] is True


def test_the_job_is_one_that_sagemaker_takes(assembly: Assembly) -> None:
    """Every key and nesting is checked against the SDK's own model of the request."""
    request = json.loads(json.dumps(task(assembly)["Parameters"]), object_hook=_evaluate_paths)
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateTrainingJob").input_shape
    assert shape is not None
    report = botocore.validate.ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()


def _evaluate_paths(value: Json) -> Json:
    examples: dict[str, Any] = {"HyperParameters.$": {"epochs": "3"}}
    return {key.removesuffix(".$"): examples.get(key, item) for key, item in value.items()}


def test_the_job_is_named_after_stage_and_execution(assembly: Assembly) -> None:
    assert task(assembly)["Parameters"]["TrainingJobName.$"] == (
        f"States.Format('{assembly.settings.name}-{{}}', $$.Execution.Name)"
    )


def test_channels_are_the_datasets_folders_and_the_code(assembly: Assembly) -> None:
    channels = {
        each["ChannelName"]: each["DataSource"]["S3DataSource"]
        for each in task(assembly)["Parameters"]["InputDataConfig"]
    }
    assert set(channels) == {"train", "valid", "test", "code"}
    for name in ("train", "valid", "test"):
        path = channels[name]["S3Uri.$"]
        assert re.fullmatch(
            rf"States\.Format\('s3://<[^>]*BucketsDatasets[^>]*>/\{{}}/{name}/', "
            r"\$\.dataset_prefix\)",
            path,
        )
        # A prefix that ends without a slash would take "train-old" as well.
        assert channels[name]["S3DataType"] == "S3Prefix"
    assert channels["code"]["S3Uri"].endswith(".zip")


def test_the_container_runs_train_py_by_a_bash_entry_point(assembly: Assembly) -> None:
    algorithm = task(assembly)["Parameters"]["AlgorithmSpecification"]
    assert algorithm["ContainerEntrypoint"] == ["bash", "-euo", "pipefail", "-c"]
    (script,) = algorithm["ContainerArguments"]
    assert "python -m zipfile -e /opt/ml/input/data/code/*.zip /opt/ml/code" in script
    assert script.rstrip().endswith("exec python train.py")


def test_the_container_is_told_where_its_folders_are(assembly: Assembly) -> None:
    environment = task(assembly)["Parameters"]["Environment"]
    assert environment["SM_MODEL_DIR"] == "/opt/ml/model"
    for name in ("train", "valid", "test"):
        assert environment[f"SM_CHANNEL_{name.upper()}"] == f"/opt/ml/input/data/{name}"


def test_what_the_image_lacks_is_installed_as_pinned() -> None:
    pins = (REPOSITORY / "requirements/training.txt").read_text().splitlines()
    assert {*EXPORT_PACKAGES, *QUANTIZE_PACKAGES} <= set(pins)


def test_metrics_are_read_from_the_lines_of_train_py(assembly: Assembly) -> None:
    line = "epoch=3 train_loss=0.1 valid_loss=2e-05 valid_accuracy=0.98"
    definitions = task(assembly)["Parameters"]["AlgorithmSpecification"]["MetricDefinitions"]
    found = {each["Name"]: re.findall(each["Regex"], line) for each in definitions}
    assert found == {"train_loss": ["0.1"], "valid_loss": ["2e-05"], "valid_accuracy": ["0.98"]}


def test_output_goes_encrypted_to_the_models_bucket(assembly: Assembly) -> None:
    output = task(assembly)["Parameters"]["OutputDataConfig"]
    assert re.fullmatch(r"s3://<[^>]*BucketsModels[^>]*>/training", output["S3OutputPath"])
    assert "EncryptionKey" in output["KmsKeyId"]


def test_machines_are_what_the_settings_say(assembly: Assembly) -> None:
    parameters = task(assembly)["Parameters"]
    training = assembly.settings.training
    resources = parameters["ResourceConfig"]
    assert resources["InstanceType"] == training.instance_type
    assert resources["InstanceCount"] == 1
    assert resources["VolumeSizeInGB"] == training.volume_size_gib
    assert "EncryptionKey" in resources["VolumeKmsKeyId"]
    expected = {"MaxRuntimeInSeconds": training.maximum_runtime_seconds}
    assert parameters["StoppingCondition"] == expected


@pytest.mark.parametrize("instance_type", ["ml.g4dn.xlarge", "ml.g5.xlarge"])
def test_an_instance_with_its_own_disk_gets_no_volume_key(
    instance_type: str, dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_training(dev_settings, instance_type=instance_type))
    assert "VolumeKmsKeyId" not in task(assembly)["Parameters"]["ResourceConfig"]


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
    image = task(assembly)["Parameters"]["AlgorithmSpecification"]["TrainingImage"]
    assert image.endswith(f".dkr.ecr.<AWS::Region>.<AWS::URLSuffix>/pytorch:{tag}")


def test_the_images_account_is_looked_up_by_region(assembly: Assembly) -> None:
    mapping = assembly.template("training")["Mappings"]["DlcRepositoryAccountMap"]
    assert mapping["us-east-1"] == {"value": "763104351884"}
    assert mapping["cn-north-1"] == {"value": "727897471807"}
    assert len(mapping) > 25
    image = task(assembly)["Parameters"]["AlgorithmSpecification"]["TrainingImage"]
    assert image.startswith("<DlcRepositoryAccountMap>.dkr.ecr.")


def test_the_images_account_is_literal_where_the_region_is_known(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    pinned = dataclasses.replace(dev_settings, account="123456789012", region="eu-south-1")
    assembly = synthesize_with(pinned)
    image = task(assembly)["Parameters"]["AlgorithmSpecification"]["TrainingImage"]
    assert image.startswith("692866216735.dkr.ecr.")
    assert "Mappings" not in assembly.template("training")


def test_a_region_without_images_is_refused_with_those_that_have_them(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    pinned = dataclasses.replace(dev_settings, account="123456789012", region="xx-nowhere-9")
    with pytest.raises(SettingsError, match=r"region = 'xx-nowhere-9'.*us-east-1"):
        synthesize_with(pinned)


def test_training_code_is_without_what_serving_alone_needs(assembly: Assembly) -> None:
    (asset,) = (
        name
        for name, file in assembly.assets("training")["files"].items()
        if file["source"]["packaging"] == "zip"
    )
    folder = assembly.directory / f"asset.{asset}"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {"train.py", "classifier/__init__.py"}


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


def test_the_workflow_hears_of_the_end_by_step_functions_own_rule(
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
    assert task(assembly)["Parameters"]["RoleArn"] == f"<{role}.Arn>"


def test_the_workflow_is_logged_and_traced(assembly: Assembly) -> None:
    machine = assembly.resource("training", STATE_MACHINE).properties
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    group = assembly.resource("training", "AWS::Logs::LogGroup").properties
    assert group["RetentionInDays"] == assembly.settings.log_retention_days


def test_a_job_reads_datasets_and_code_and_writes_models(job_statements: list[Json]) -> None:
    reading = [
        flatten(resource)
        for statement in job_statements
        if "s3:GetObject" in statement["Action"]
        for resource in statement["Resource"]
    ]
    assert len(reading) == 2
    assert any(re.fullmatch(r"<BucketsDatasets.*\.Arn>/\*", each) for each in reading)
    assert any(each.endswith(".zip") for each in reading)
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
