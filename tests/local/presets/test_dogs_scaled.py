"""A stage that starts from the preset `dogs-scaled`, read back from the services."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.serving.artifacts import PREPROCESSING, write_artifact
from tests.local.conftest import local_cloud, run_tool
from tests.local.functions import ALIAS_NAME, proxy_function
from tests.local.png import png
from tests.stacks.fake_inputs import write_archive
from tools.aws import aws_client
from tools.local.deployment import LocalDeployment, read_local_deployment

Client = Callable[[str], Any]

BREEDS = [f"breed {number:03}" for number in range(133)]
IMAGE = png(90, seed="dog")


def up(state: Path, model: Path, preset: str, *, check: bool = True) -> Any:
    return run_tool(
        "tools.local.up", "--preset", preset, "--model", str(model), "--state-directory",
        str(state), "--deployment", str(state / "local.json"), "--port", "0", "--public-port", "0",
        check=check,
    )  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact of 133 classes, whose logits are the brightness of the image's colours."""
    folder = write_artifact(
        tmp_path_factory.mktemp("models") / "breeds", labels=BREEDS, preprocessing=PREPROCESSING
    )
    members = {name: (folder / name).read_bytes() for name in ("manifest.json", "model.onnx")}
    write_archive(folder, members)
    return folder


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("preset")


@pytest.fixture(scope="module")
def deployment(state: Path, model: Path) -> Iterator[LocalDeployment]:
    try:
        up(state, model, "dogs-scaled")
        yield read_local_deployment(state / "local.json")
    finally:
        local_cloud(state, "down")


@pytest.fixture(scope="module")
def client(deployment: LocalDeployment) -> Client:
    return lambda service: aws_client(service, deployment.environment)


def test_two_to_four_instances_follow_ten_invocations_a_minute(client: Client) -> None:
    scaling = client("application-autoscaling")
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
    (policy,) = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 10
    assert (tracking["ScaleInCooldown"], tracking["ScaleOutCooldown"]) == (30, 30)
    endpoint = client("sagemaker").describe_endpoint(EndpointName="whippet-local")
    (variant,) = endpoint["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == 2


def test_four_instances_of_the_function_are_provisioned(client: Client) -> None:
    found = client("lambda").get_provisioned_concurrency_config(
        FunctionName=proxy_function(client), Qualifier=ALIAS_NAME
    )
    assert found["RequestedProvisionedConcurrentExecutions"] == 4


@pytest.mark.parametrize("scores", ["probabilities", "logits"])
def test_an_event_gets_all_133_scores_in_the_order_of_the_classes(
    client: Client, scores: str
) -> None:
    event = {
        "image": base64.b64encode(IMAGE).decode(), "order": "class", "scores": scores,
    }  # fmt: skip
    invoked = client("lambda").invoke(
        FunctionName=proxy_function(client),
        Qualifier=ALIAS_NAME,
        Payload=json.dumps(event).encode(),
    )
    response = json.loads(invoked["Payload"].read())
    assert response["statusCode"] == 200, response
    predictions = json.loads(response["body"])["predictions"]
    assert [each["label"] for each in predictions] == BREEDS
    if scores == "probabilities":
        assert sum(each["probability"] for each in predictions) == pytest.approx(1, abs=1e-3)
    else:
        assert len({each["logit"] for each in predictions}) == 3  # those of the three colours


def test_a_url_may_name_only_s3(client: Client) -> None:
    function = client("lambda").get_function_configuration(FunctionName=proxy_function(client))
    assert function["Environment"]["Variables"]["URL_ALLOWED_HOSTS"] == "s3.amazonaws.com"


def test_what_is_deployed_does_not_change_to_another_preset(
    deployment: LocalDeployment, state: Path, model: Path
) -> None:
    ended = up(state, model, "resnet50", check=False)
    assert ended.returncode == 1
    assert "PRESET=resnet50: the local cloud that is running has the preset dogs-scaled" in (
        ended.stderr
    )
    assert read_local_deployment(state / "local.json") == deployment
    assert deployment.preset == "dogs-scaled"
