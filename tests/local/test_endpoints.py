"""SageMaker's control plane: states, error codes, and what a bad model does to an endpoint."""

import io
import json
import tarfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.api_requests import classify
from tests.local.conftest import DEMO_MODEL
from tests.local.functions import proxy_function
from tests.local.test_api import GOOD
from tests.local.test_instances import servers
from tests.local.waiting import wait_for_endpoint, wait_until_gone
from tools.deployment.prune import prune_superseded
from tools.local.deployment import LocalDeployment

Client = Callable[[str], Any]
ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def sagemaker(client: Client) -> Any:
    return client("sagemaker")


@pytest.fixture(scope="module")
def served_model(sagemaker: Any, deployment: LocalDeployment) -> dict[str, Any]:
    """The model that CDK deployed."""
    endpoint = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
    configuration = sagemaker.describe_endpoint_config(
        EndpointConfigName=endpoint["EndpointConfigName"]
    )
    name = configuration["ProductionVariants"][0]["ModelName"]
    model: dict[str, Any] = sagemaker.describe_model(ModelName=name)
    return model


@pytest.fixture(scope="module")
def bucket(client: Client) -> Iterator[str]:
    """A bucket that the test's own role may read."""
    name = f"made-by-tests-{uuid.uuid4().hex[:8]}"
    client("s3").create_bucket(Bucket=name)
    yield name
    client("s3").delete_object(Bucket=name, Key="model.tar.gz")


@pytest.fixture(scope="module")
def role(client: Client, bucket: str) -> str:
    iam = client("iam")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    created = iam.create_role(
        RoleName=f"reads-{bucket}",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    grant = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    iam.put_role_policy(
        RoleName=f"reads-{bucket}",
        PolicyName="read",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [grant]}),
    )
    arn: str = created["Role"]["Arn"]
    return arn


def make_configuration(
    sagemaker: Any,
    *,
    image: str,
    role: str,
    model_data: str,
    environment: dict[str, str] | None = None,
    instance_type: str = "ml.c7i.large",
    instance_count: int = 1,
) -> str:
    """Create a model and a configuration for it; return the configuration's name."""
    name = f"made-by-tests-{uuid.uuid4().hex[:8]}"
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=role,
        PrimaryContainer={
            "Image": image,
            "ModelDataUrl": model_data,
            "Environment": environment or {},
        },
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "primary",
                "ModelName": name,
                "InstanceType": instance_type,
                "InitialInstanceCount": instance_count,
            }
        ],
    )
    return name


def tampered_artifact() -> bytes:
    """Return the demo's artifact with one byte of the network changed."""
    changed = io.BytesIO()
    with (
        tarfile.open(DEMO_MODEL / "model.tar.gz") as original,
        tarfile.open(fileobj=changed, mode="w:gz", compresslevel=1) as copy,
    ):
        for member in original:
            file = original.extractfile(member)
            assert file is not None
            content = bytearray(file.read())
            if member.name == "model.onnx":
                content[len(content) // 2] ^= 1
            copy.addfile(member, io.BytesIO(bytes(content)))
    return changed.getvalue()


def test_a_tampered_artifact_fails_the_endpoint_with_the_reason(
    sagemaker: Any, client: Client, served_model: dict[str, Any], bucket: str, role: str
) -> None:
    client("s3").put_object(Bucket=bucket, Key="model.tar.gz", Body=tampered_artifact())
    configuration = make_configuration(
        sagemaker,
        image=served_model["PrimaryContainer"]["Image"],
        role=role,
        model_data=f"s3://{bucket}/model.tar.gz",
    )
    sagemaker.create_endpoint(EndpointName="tampered", EndpointConfigName=configuration)
    failed = wait_for_endpoint(sagemaker, "tampered", until="Failed")
    assert "sha256" in failed["FailureReason"]
    assert "model.onnx" in failed["FailureReason"]
    with pytest.raises(ClientError, match="not in service: its status is Failed"):
        client("sagemaker-runtime").invoke_endpoint(EndpointName="tampered", Body=GOOD)
    sagemaker.delete_endpoint(EndpointName="tampered")


def test_a_failed_update_keeps_the_old_fleet_serving(
    sagemaker: Any, deployment: LocalDeployment, bucket: str, role: str,
    served_model: dict[str, Any],
) -> None:  # fmt: skip
    before = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
    configuration = make_configuration(
        sagemaker,
        image=served_model["PrimaryContainer"]["Image"],
        role=role,
        model_data=f"s3://{bucket}/there-is-no-such-object.tar.gz",
    )
    sagemaker.update_endpoint(
        EndpointName=deployment.endpoint_name, EndpointConfigName=configuration
    )
    after = wait_for_endpoint(sagemaker, deployment.endpoint_name, until="InService")
    assert after["EndpointConfigName"] == before["EndpointConfigName"]
    assert "Failed to download model data" in after["FailureReason"]
    assert classify(deployment, GOOD)[0] == 200


def test_an_update_replaces_the_fleet_whose_size_only_a_retained_variant_keeps(
    sagemaker: Any, deployment: LocalDeployment, served_model: dict[str, Any]
) -> None:
    endpoint = deployment.endpoint_name
    before = sagemaker.describe_endpoint(EndpointName=endpoint)
    container = served_model["PrimaryContainer"]
    configuration = make_configuration(
        sagemaker,
        image=container["Image"],
        role=served_model["ExecutionRoleArn"],
        model_data=container["ModelDataUrl"],
        instance_count=2,
    )
    for name, retained in ((configuration, False), (before["EndpointConfigName"], True)):
        sagemaker.update_endpoint(
            EndpointName=endpoint, EndpointConfigName=name, RetainAllVariantProperties=retained
        )
        updating = sagemaker.describe_endpoint(EndpointName=endpoint)
        assert updating["EndpointStatus"] == "Updating"
        assert classify(deployment, GOOD)[0] == 200
        after = wait_for_endpoint(sagemaker, endpoint, until="InService")
        assert after["EndpointConfigName"] == name
        assert "FailureReason" not in after
        # The first takes the configuration's 2, the second keeps it where the configuration has 1.
        assert [each["CurrentInstanceCount"] for each in after["ProductionVariants"]] == [2]
        assert classify(deployment, GOOD)[0] == 200
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[{"VariantName": "primary", "DesiredInstanceCount": 1}],
    )
    wait_for_endpoint(sagemaker, endpoint, until="InService")


@pytest.mark.parametrize(
    "image",
    [
        "registry/missing:tag",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/whippet:1.4.0",
        f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/whippet@sha256:{'0a' * 32}",
    ],
)
def test_an_image_that_cannot_run_here_fails_the_model_with_what_to_do(
    sagemaker: Any, bucket: str, role: str, image: str
) -> None:
    with pytest.raises(ClientError) as refused:
        make_configuration(sagemaker, image=image, role=role, model_data=f"s3://{bucket}/m.tar.gz")
    assert refused.value.operation_name == "CreateModel"
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert f"no server for the image {image}" in str(refused.value)
    assert "remove serving.image_uri from the stage's settings" in str(refused.value)
    listed = sagemaker.list_models(NameContains="made-by-tests")["Models"]
    described = (sagemaker.describe_model(ModelName=each["ModelName"]) for each in listed)
    assert image not in {each["PrimaryContainer"]["Image"] for each in described}


def environment_of(process_id: int) -> dict[str, str]:
    entries = Path(f"/proc/{process_id}/environ").read_text().split("\0")
    return dict(entry.split("=", 1) for entry in entries if entry)


@pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="only Linux shows a process's environment"
)
def test_an_endpoint_on_a_gpu_type_computes_with_the_cpus_engine(
    sagemaker: Any, client: Client, served_model: dict[str, Any], state: Path
) -> None:
    container = served_model["PrimaryContainer"]
    told = {"WHIPPET_ENGINE": "onnxruntime-cuda", "WHIPPET_MAX_BATCH": "8"}
    configuration = make_configuration(
        sagemaker,
        image=container["Image"],
        role=served_model["ExecutionRoleArn"],
        model_data=container["ModelDataUrl"],
        environment=container["Environment"] | told,
        instance_type="ml.g5.xlarge",
    )
    others = set(servers(state))
    sagemaker.create_endpoint(EndpointName="on-gpu", EndpointConfigName=configuration)
    try:
        wait_for_endpoint(sagemaker, "on-gpu", until="InService")
        (server,) = set(servers(state)) - others
        environment = environment_of(server)
        assert environment["WHIPPET_ENGINE"] == "openvino"
        assert environment["WHIPPET_MAX_BATCH"] == "8"
        response = client("sagemaker-runtime").invoke_endpoint(
            EndpointName="on-gpu", Body=GOOD, ContentType="image/png"
        )
        assert json.load(response["Body"])["predictions"]
    finally:
        sagemaker.delete_endpoint(EndpointName="on-gpu")
        wait_until_gone(sagemaker, "on-gpu")


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "missing endpoint": (
        "describe_endpoint", {"EndpointName": "missing"}, "Could not find endpoint",
    ),
    "missing configuration": (
        "create_endpoint", {"EndpointName": "e", "EndpointConfigName": "missing"},
        "Could not find endpoint configuration",
    ),
    "existing endpoint": (
        "create_endpoint", {"EndpointName": "whippet-local", "EndpointConfigName": "missing"},
        "Cannot create already existing endpoint",
    ),
    "model without a role": (
        "create_model", {"ModelName": "m"}, "CreateModel needs an ExecutionRoleArn",
    ),
    "variant without a model": (
        "create_endpoint_config",
        {"EndpointConfigName": "c", "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/missing",
         "ProductionVariants": [{"VariantName": "v", "InstanceType": "ml.m5.large"}]},
        "names no model",
    ),
    "missing role": (
        "create_model",
        {"ModelName": "m", "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/missing"},
        "Could not assume role",
    ),
    "missing model": (
        "create_endpoint_config",
        {"EndpointConfigName": "c", "ProductionVariants": [
            {"VariantName": "v", "ModelName": "missing", "InstanceType": "ml.m5.large"}]},
        "Could not find model",
    ),
    "unknown instance type": (
        "create_endpoint_config",
        {"EndpointConfigName": "c", "ProductionVariants": [
            {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.x1.huge"}]},
        "failed to satisfy constraint: Member must satisfy enum value set",
    ),
    "name against the pattern": (
        "describe_endpoint", {"EndpointName": "no_underscores"},
        "Member must satisfy regular expression pattern",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.usefixtures("deployment")
def test_a_wrong_request_gets_sagemakers_validation_exception(sagemaker: Any, case: str) -> None:
    operation, parameters, message = REFUSED[case]
    with pytest.raises(ClientError) as refused:
        getattr(sagemaker, operation)(**parameters)
    error = refused.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert message in error["Message"]


def test_a_role_that_trusts_another_service_is_refused(sagemaker: Any, client: Client) -> None:
    function = proxy_function(client)
    lambda_role = client("lambda").get_function_configuration(FunctionName=function)["Role"]
    with pytest.raises(ClientError, match=r"allows principal 'sagemaker\.amazonaws\.com'"):
        sagemaker.create_model(ModelName="m", ExecutionRoleArn=lambda_role)


def test_a_scaling_target_needs_a_variant_that_serves(
    client: Client, deployment: LocalDeployment
) -> None:
    scaling = client("application-autoscaling")
    targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert [
        (target["ResourceId"], target["MinCapacity"], target["MaxCapacity"]) for target in targets
    ] == [(f"endpoint/{deployment.endpoint_name}/variant/primary", 1, 3)]
    with pytest.raises(ClientError, match="Variant missing is not found"):
        scaling.register_scalable_target(
            ServiceNamespace="sagemaker",
            ResourceId=f"endpoint/{deployment.endpoint_name}/variant/missing",
            ScalableDimension="sagemaker:variant:DesiredInstanceCount",
            MinCapacity=1,
            MaxCapacity=3,
        )


def test_two_updates_at_once_are_one(sagemaker: Any, deployment: LocalDeployment) -> None:
    serving = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)

    def update(_number: int) -> str:
        try:
            sagemaker.update_endpoint(
                EndpointName=deployment.endpoint_name,
                EndpointConfigName=serving["EndpointConfigName"],
            )
        except ClientError as error:
            return str(error.response["Error"]["Message"])
        return "accepted"

    with ThreadPoolExecutor(4) as pool:
        responses = sorted(pool.map(update, range(4)))
    assert responses.count("accepted") == 1
    assert all("Cannot update in-progress endpoint" in text for text in responses[:3])
    wait_for_endpoint(sagemaker, deployment.endpoint_name, until="InService")


def test_what_no_endpoint_uses_any_more_is_deleted(
    sagemaker: Any, deployment: LocalDeployment, served_model: dict[str, Any], role: str
) -> None:
    stages_own = make_configuration(
        sagemaker,
        image=served_model["PrimaryContainer"]["Image"],
        role=served_model["ExecutionRoleArn"],
        model_data="s3://old/model.tar.gz",
    )
    anothers = make_configuration(
        sagemaker,
        image=served_model["PrimaryContainer"]["Image"],
        role=role,
        model_data="s3://other/model.tar.gz",
    )
    serving = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
    deleted = prune_superseded(sagemaker, stack="whippet-local-serving")
    assert deleted.count(stages_own) == 2, "the configuration and the model of the same name"
    left = {
        each["EndpointConfigName"] for each in sagemaker.list_endpoint_configs()["EndpointConfigs"]
    }
    assert {serving["EndpointConfigName"], anothers} <= left
    assert stages_own not in left
    models = {each["ModelName"] for each in sagemaker.list_models()["Models"]}
    assert {served_model["ModelName"], anothers} <= models
    assert prune_superseded(sagemaker, stack="whippet-local-serving") == []


def test_an_endpoint_that_there_is_not_cannot_be_invoked(client: Client) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        client("sagemaker-runtime").invoke_endpoint(EndpointName="missing", Body=GOOD)
