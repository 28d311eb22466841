"""The roles of the training workflow, its topic and its outputs."""

import re
import tarfile

import pytest

from stacks.components.training.source import pack_training_source
from stacks.inputs import Inputs
from stacks.settings.stage import StageSettings
from tests.stacks.assembly import (
    Assembly,
    Json,
    allowed_actions,
    flatten,
    role_of,
    statement_allowing,
    statements_for_role,
    statements_of,
)
from tests.stacks.conftest import Synthesize
from tests.stacks.training_workflow import STATE_MACHINE, request, with_training


def statements(assembly: Assembly, service: str) -> list[Json]:
    return statements_for_role(assembly, "training", role_of(assembly, "training", service))


@pytest.fixture
def workflow_statements(assembly: Assembly) -> list[Json]:
    return statements(assembly, "states.amazonaws.com")


@pytest.fixture
def job_statements(assembly: Assembly) -> list[Json]:
    return statements(assembly, "sagemaker.amazonaws.com")


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
            "requirements-job.txt",
            "requirements-quantize.txt",
        }


@pytest.mark.parametrize("service", ["sagemaker.amazonaws.com", "states.amazonaws.com"])
def test_roles_are_assumed_for_this_account_only(assembly: Assembly, service: str) -> None:
    (role,) = (
        each
        for each in assembly.resources("training", "AWS::IAM::Role")
        if each.logical_id == role_of(assembly, "training", service)
    )
    (statement,) = role.properties["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }


def test_the_workflow_passes_one_role_to_sagemaker_only(
    assembly: Assembly, workflow_statements: list[Json]
) -> None:
    statement = statement_allowing(workflow_statements, "iam:PassRole")
    role = role_of(assembly, "training", "sagemaker.amazonaws.com")
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


def resources_of(statement: Json) -> set[str]:
    """Return the last parts of a statement's ARNs."""
    return {flatten(each).split(":")[-1] for each in statement["Resource"]}


def objects(statements: list[Json], action: str) -> set[str]:
    """Return the S3 objects that an action is allowed on, without the hashes of names."""
    return {
        re.sub(r"[0-9A-F]{8}\.Arn", "", flatten(resource)).removeprefix("<")
        for statement in statements
        if action in statement["Action"]
        for resource in statement["Resource"]
    }


@pytest.mark.parametrize(
    ("operation", "resource"),
    [
        ("TrainingJob", "training-job"),
        ("HyperParameterTuningJob", "hyper-parameter-tuning-job"),
    ],
)
def test_the_workflow_may_run_jobs_of_its_stage(
    assembly: Assembly, workflow_statements: list[Json], operation: str, resource: str
) -> None:
    statement = statement_allowing(workflow_statements, f"sagemaker:Create{operation}")
    assert set(statement["Action"]) == {
        f"sagemaker:Create{operation}",
        f"sagemaker:Describe{operation}",
        f"sagemaker:Stop{operation}",
        "sagemaker:AddTags",
        "sagemaker:ListTags",
    }
    assert resources_of(statement) == {f"{resource}/{assembly.settings.name}-*"}


def test_the_workflow_is_notified_of_the_end_by_step_functions_own_rules(
    workflow_statements: list[Json],
) -> None:
    statement = statement_allowing(workflow_statements, "events:PutRule")
    assert set(statement["Action"]) == {
        "events:PutRule",
        "events:PutTargets",
        "events:DescribeRule",
    }
    assert resources_of(statement) == {
        "rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule",
        "rule/StepFunctionsGetEventsForSageMakerTuningJobsRule",
    }


def test_the_workflow_registers_only_packages_that_wait_for_approval(
    assembly: Assembly, workflow_statements: list[Json]
) -> None:
    name = assembly.settings.name
    statement = statement_allowing(workflow_statements, "sagemaker:CreateModelPackage")
    assert statement["Action"] == ["sagemaker:CreateModelPackage"]
    assert resources_of(statement) == {f"model-package-group/{name}", f"model-package/{name}/*"}
    assert statement["Condition"] == {
        "StringEquals": {"sagemaker:ModelApprovalStatus": ["PendingManualApproval"]}
    }
    reading = statement_allowing(workflow_statements, "sagemaker:ListModelPackages")
    assert set(reading["Action"]) == {
        "sagemaker:DescribeModelPackage",
        "sagemaker:ListModelPackages",
    }
    assert resources_of(reading) == resources_of(statement)


def test_only_the_approvers_policy_may_approve_and_no_role_has_it(assembly: Assembly) -> None:
    holders = [
        *assembly.everywhere("AWS::IAM::ManagedPolicy"),
        *assembly.everywhere("AWS::IAM::Policy"),
    ]
    approving = [
        (holder, statement)
        for holder in holders
        for statement in statements_of(holder)
        if any(
            action.startswith(("sagemaker:Update", "sagemaker:*", "*"))
            and "Package" in action + "Package"
            and action != "sagemaker:UpdateEndpointWeightsAndCapacities"
            for action in statement["Action"]
        )
    ]
    ((policy, statement),) = approving
    assert statement["Action"] == ["sagemaker:UpdateModelPackage"]
    assert statement["Condition"] == {
        "StringEquals": {"sagemaker:ModelApprovalStatus": ["Approved", "Rejected"]}
    }
    name = assembly.settings.name
    assert resources_of(statement) == {f"model-package-group/{name}", f"model-package/{name}/*"}
    assert policy.properties.keys().isdisjoint({"Roles", "Users", "Groups"})
    attached = [
        arn
        for role in assembly.everywhere("AWS::IAM::Role")
        for arn in role.properties.get("ManagedPolicyArns", [])
    ]
    assert {"Ref": policy.logical_id} not in attached
    assert assembly.template("training")["Outputs"]["ApproverPolicyArn"]["Value"] == {
        "Ref": policy.logical_id
    }


def test_the_workflow_may_do_nothing_else(workflow_statements: list[Json]) -> None:
    delivery = {"logs:CreateLogDelivery", "logs:PutResourcePolicy"}
    others = {
        action
        for action in allowed_actions(workflow_statements)
        if not action.startswith(("logs:", "xray:"))
    }
    assert delivery <= allowed_actions(workflow_statements)
    assert others == {
        *(
            f"sagemaker:{verb}{job}"
            for verb in ("Create", "Describe", "Stop")
            for job in ("TrainingJob", "HyperParameterTuningJob")
        ),
        "sagemaker:AddTags",
        "sagemaker:ListTags",
        "sagemaker:CreateModelPackage",
        "sagemaker:DescribeModelPackage",
        "sagemaker:ListModelPackages",
        "iam:PassRole",
        "events:PutRule",
        "events:PutTargets",
        "events:DescribeRule",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "sns:Publish",
        "ecr:BatchGetImage",
        "ecr:DescribeImages",
    }


def test_the_workflow_reads_what_a_job_leaves_and_keeps_candidates(
    workflow_statements: list[Json],
) -> None:
    assert objects(workflow_statements, "s3:GetObject") == {
        "BucketsModels>/training/*",
        "BucketsModels>/checkpoints/*",
        "BucketsModels>/candidates/*",
    }
    assert objects(workflow_statements, "s3:PutObject") == {"BucketsModels>/candidates/*"}
    assert objects(workflow_statements, "s3:ListBucket") == {"BucketsDatasets>", "BucketsModels>"}
    listed = [
        statement["Condition"]
        for statement in workflow_statements
        if "s3:ListBucket" in statement["Action"] and "Condition" in statement
    ]
    # A GetObject of a missing object has no prefix.
    assert {"StringLikeIfExists": {"s3:prefix": ["checkpoints/*"]}} in listed
    assert len(listed) == 2


def test_the_workflow_may_send_messages_to_its_encrypted_topic(
    assembly: Assembly, workflow_statements: list[Json]
) -> None:
    topic = assembly.resource("training", "AWS::SNS::Topic")
    key = topic.properties["KmsMasterKeyId"]
    assert "EncryptionKey" in flatten(key)
    publishing = statement_allowing(workflow_statements, "sns:Publish")
    assert publishing["Resource"] == [{"Ref": topic.logical_id}]
    encrypting = [
        statement["Action"] for statement in workflow_statements if statement["Resource"] == [key]
    ]
    assert encrypting == [["kms:Decrypt", "kms:GenerateDataKey"]]
    policy = assembly.resource("training", "AWS::SNS::TopicPolicy").properties["PolicyDocument"]
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Deny"}
    assert assembly.template("training")["Outputs"]["TopicArn"]["Value"] == {
        "Ref": topic.logical_id
    }


def test_an_address_is_subscribed_to_the_topic_where_the_stage_has_one(
    dev: Assembly, dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assert dev.resources("training", "AWS::SNS::Subscription") == []
    address = "team@example.com"
    assembly = synthesize_with(with_training(dev_settings, notification_email=address))
    subscription = assembly.resource("training", "AWS::SNS::Subscription").properties
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", address)


def test_a_job_reads_datasets_and_code_and_writes_models_and_checkpoints(
    assembly: Assembly, job_statements: list[Json]
) -> None:
    (source,) = (each for each in objects(job_statements, "s3:GetObject") if ".gz" in each)
    assert source.endswith(f"/{assembly.settings.name}-training/*.gz")
    assert objects(job_statements, "s3:GetObject") == {
        source,
        "BucketsDatasets>/*",
        "BucketsModels>/checkpoints/*",
    }
    assert objects(job_statements, "s3:PutObject") == {
        "BucketsModels>/training/*",
        "BucketsModels>/checkpoints/*",
    }
    (listing,) = (
        statement
        for statement in job_statements
        if statement.get("Condition") == {"StringLikeIfExists": {"s3:prefix": ["checkpoints/*"]}}
    )
    assert listing["Action"] == ["s3:ListBucket"]
