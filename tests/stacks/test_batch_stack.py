"""The Model, the roles and the state machine of batch jobs."""

import json
from typing import Any

import pytest

from tests.changed_settings import with_changes
from tests.stacks.assembly import (
    Assembly,
    Json,
    allowed_actions,
    flatten,
    role_of,
    statement_allowing,
    statements_for_role,
    with_serving,
)
from tests.stacks.conftest import Synthesize
from tests.stacks.state_machine import execute

MODEL = "AWS::SageMaker::Model"
TRANSFORM = "sagemaker:createTransformJob.sync"
INPUT = {"run": "photos-20261127-230000", "attempt": 2}


def statements(assembly: Assembly, service: str) -> list[Json]:
    return statements_for_role(assembly, "batch", role_of(assembly, "batch", service))


def definition(assembly: Assembly) -> Json:
    machine = assembly.resource("batch", "AWS::StepFunctions::StateMachine")
    found: Json = json.loads(flatten(machine.properties["DefinitionString"]))
    return found


def request(assembly: Assembly) -> Json:
    """Return the request of an execution."""
    execution = execute(definition(assembly), INPUT, lambda *_: {"TransformJobName": "job"})
    assert (execution.error, execution.result) == (None, {"job": "job"})
    (sent,) = execution.requests(TRANSFORM)
    return sent


def test_the_model_is_that_of_the_endpoint_with_a_role_of_its_own(assembly: Assembly) -> None:
    batch, endpoint = (assembly.resource(each, MODEL).properties for each in ("batch", "serving"))
    mine, its = batch["PrimaryContainer"], endpoint["PrimaryContainer"]
    assert (mine["Image"], mine["ModelDataUrl"]) == (its["Image"], its["ModelDataUrl"])
    changed = {"WHIPPET_DEADLINE_MS", "WHIPPET_QUEUE_LENGTH", "WHIPPET_MAX_BODY_BYTES"}
    environments = mine["Environment"], its["Environment"]
    kept = [{name: each[name] for name in each if name not in changed} for each in environments]
    kept[1].pop("WHIPPET_ENDPOINT_UPDATES")
    assert kept[0] == kept[1]
    role = {"Fn::GetAtt": [role_of(assembly, "batch", "sagemaker.amazonaws.com"), "Arn"]}
    assert batch["ExecutionRoleArn"] == role
    assert batch["EnableNetworkIsolation"] is True
    assert "ModelName" not in batch


def test_no_image_waits_longer_or_is_larger_than_the_server_takes(
    assembly: Assembly, synthesize_with: Synthesize
) -> None:
    settings = assembly.settings
    batch = with_changes(settings.batch, max_concurrent_transforms=9, max_payload_mb=7)
    changed = synthesize_with(with_changes(settings, batch=batch))
    environment = changed.resource("batch", MODEL).properties["PrimaryContainer"]["Environment"]
    assert environment["WHIPPET_DEADLINE_MS"] == "60000"
    assert environment["WHIPPET_QUEUE_LENGTH"] == "9"
    assert environment["WHIPPET_MAX_BODY_BYTES"] == str(7 * 1024 * 1024)
    sent = request(changed)
    assert (sent["MaxConcurrentTransforms"], sent["MaxPayloadInMB"]) == (9, 7)


def test_a_job_reads_the_manifest_of_its_run_and_writes_its_results(assembly: Assembly) -> None:
    sent = request(assembly)
    assert sent["TransformJobName"] == (f"{assembly.settings.name}-photos-20261127-230000-2-0")
    source = sent["TransformInput"]["DataSource"]["S3DataSource"]
    assert source["S3DataType"] == "ManifestFile"
    bucket, _, key = source["S3Uri"].removeprefix("s3://").partition("/")
    assert "Captures" in bucket
    assert key == "batch/inputs/photos-20261127-230000-2.manifest"
    output = sent["TransformOutput"]
    assert output["S3OutputPath"] == f"s3://{bucket}/batch/outputs/photos-20261127-230000"
    assert output["Accept"] == "application/json"
    # A whole object in each request, whose format the server reads from its bytes.
    assert sent["BatchStrategy"] == "SingleRecord"
    assert sent["TransformInput"]["ContentType"] == "application/octet-stream"
    assert sent["TransformInput"].keys() == {"ContentType", "DataSource"}
    assert "EncryptionKey" in output["KmsKeyId"]
    assert output["KmsKeyId"] == sent["TransformResources"]["VolumeKmsKeyId"]
    assert sent["ModelName"] == f"<{assembly.resource('batch', MODEL).logical_id}.ModelName>"


@pytest.mark.parametrize(
    ("serving", "batch", "expected"),
    [
        ({}, {"instance_count": 3}, {"InstanceType": "ml.m5.large", "InstanceCount": 3}),
        ({"mode": "serverless"}, {}, {"InstanceType": "ml.m5.large", "InstanceCount": 1}),
        (
            {"instance_type": "ml.g5.xlarge"},
            {},
            {
                "InstanceType": "ml.g4dn.xlarge",
                "InstanceCount": 1,
                "TransformAmiVersion": "al2-ami-sagemaker-batch-gpu-535",
            },
        ),
    ],
)
def test_the_machines_follow_the_settings(
    assemblies: dict[str, Assembly],
    synthesize_with: Synthesize,
    serving: Json,
    batch: Json,
    expected: Json,
) -> None:
    settings = with_serving(assemblies["dev"].settings, **serving)
    changed = with_changes(settings, batch=with_changes(settings.batch, **batch))
    resources = request(synthesize_with(changed))["TransformResources"]
    # SageMaker refuses a key for the disks of g4dn.
    has_key = resources.pop("VolumeKmsKeyId", None) is not None
    assert resources == expected
    assert has_key is ("TransformAmiVersion" not in expected)


def test_without_a_key_aws_encrypts(
    assemblies: dict[str, Assembly], synthesize_with: Synthesize
) -> None:
    changed = with_changes(assemblies["dev"].settings, encryption="aws")
    assert "Key" not in json.dumps(
        [
            request(synthesize_with(changed))[each]
            for each in ("TransformOutput", "TransformResources")
        ]
    )


def test_a_job_that_runs_too_long_is_stopped(assembly: Assembly) -> None:
    found = definition(assembly)
    assert found["TimeoutSeconds"] == assembly.settings.batch.max_runtime_seconds
    assert list(found["States"]) == ["Transform"]


def test_a_job_that_cannot_be_started_is_started_again(assembly: Assembly) -> None:
    retried = {
        name
        for rule in definition(assembly)["States"]["Transform"]["Retry"]
        for name in rule["ErrorEquals"]
    }
    assert retried >= {
        # The general name of Step Functions' own integration, as for "Rate exceeded".
        "SageMaker.AmazonSageMakerException",
        "SageMaker.ThrottlingException",
        "ThrottlingException",
        "SageMaker.ResourceLimitExceededException",
    }


def test_the_state_machine_may_run_transform_jobs_of_its_stage_alone(assembly: Assembly) -> None:
    found = statements(assembly, "states.amazonaws.com")
    jobs = statement_allowing(found, "sagemaker:CreateTransformJob")
    assert set(jobs["Action"]) == {
        *(f"sagemaker:{verb}TransformJob" for verb in ("Create", "Describe", "Stop")),
        "sagemaker:AddTags",
        "sagemaker:ListTags",
    }
    (resource,) = jobs["Resource"]
    assert flatten(resource).endswith(f":transform-job/{assembly.settings.name}-*")
    rule = statement_allowing(found, "events:PutRule")
    (resource,) = rule["Resource"]
    assert flatten(resource).endswith(":rule/StepFunctionsGetEventsForSageMakerTransformJobsRule")
    services = {action.partition(":")[0] for action in allowed_actions(found)}
    assert services == {"sagemaker", "events", "logs", "xray"}, "it passes no role"


@pytest.mark.parametrize(
    ("action", "keys"),
    [("s3:PutObject", {"batch/outputs/*"}), ("s3:GetObject", {"batch/inputs/*", "serving/*"})],
)
def test_a_job_reads_images_and_models_and_writes_results(
    assembly: Assembly, action: str, keys: set[str]
) -> None:
    found = [
        flatten(resource)
        for each in statements(assembly, "sagemaker.amazonaws.com")
        if action in each["Action"]
        for resource in each["Resource"]
    ]
    own = {each.partition(">/")[2] for each in found if "Buckets" in each}
    assert own == keys
    assets = [each for each in found if "Buckets" not in each]
    assert all(each.endswith(f"/{assembly.settings.name}/*.gz") for each in assets)


def test_the_tools_find_the_state_machine_and_the_bucket(assembly: Assembly) -> None:
    outputs: dict[str, Any] = assembly.template("batch")["Outputs"]
    machine = assembly.resource("batch", "AWS::StepFunctions::StateMachine").logical_id
    assert outputs["BatchStateMachineArn"]["Value"] == {"Ref": machine}
    assert "Captures" in flatten(outputs["BatchBucketName"]["Value"])
