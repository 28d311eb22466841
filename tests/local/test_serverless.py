"""A stage of the preset `mobilenet-serverless`: cold, warm, throttled, idle, in another mode."""

import base64
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_cloud.sagemaker.hosting.serverless import IDLE_MINUTES
from tests.local.api_requests import Request, classify, send
from tests.local.conftest import DEMO_MODEL, local_cloud, processes_naming, run_tool
from tests.local.redeployment.own_model import copy_tree
from tests.local.test_api import GOOD
from tests.local.test_page import request
from tools.aws import aws_client, stack_resources
from tools.local.deployment import LocalDeployment, read_local_deployment

MINUTE_SECONDS = 0.5
NAME = "whippet-local-serverless"
SERVING = "[serving]\n"
LIMIT = "serverless_max_concurrency = 2\n"
INSTANCES = 'mode = "instances"\n'
# The local cloud keeps no container warm; the template is deployed as it is.
SCHEDULE = """
[[serving.serverless_provisioned_concurrency_schedule]]
cron = "0 7 ? * MON-FRI *"
time_zone = "Europe/Berlin"
provisioned_concurrency = 2
"""
Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serverless")


@pytest.fixture(scope="module")
def clone(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this tree whose stage `local` starts from the preset, with a limit of its own."""
    folder = tmp_path_factory.mktemp("serverless-clone") / "clone"
    copy_tree(folder, state)
    settings = folder / "config" / "local.toml"
    settings.write_text('preset = "mobilenet-serverless"\n' + settings.read_text())
    change(folder, SERVING, SERVING + LIMIT)
    return folder


def change(clone: Path, old: str, new: str) -> None:
    settings = clone / "config" / "local.toml"
    text = settings.read_text()
    assert text.count(old) == 1
    settings.write_text(text.replace(old, new))


def deploy(state: Path, clone: Path) -> tuple[LocalDeployment, str]:
    """Return what is deployed, and what was printed."""
    ended: subprocess.CompletedProcess[str] = run_tool(
        "tools.local.up",
        "--model", str(DEMO_MODEL),
        "--state-directory", str(state),
        "--deployment", str(state / "local.json"),
        "--port", "0",
        "--public-port", "0",
        "--minute-seconds", str(MINUTE_SECONDS),
        folder=clone,
    )  # fmt: skip
    return read_local_deployment(state / "local.json"), ended.stdout


@pytest.fixture(scope="module")
def deployment(state: Path, clone: Path) -> Iterator[LocalDeployment]:
    try:
        yield deploy(state, clone)[0]
    finally:
        local_cloud(state, "down")


@pytest.fixture(scope="module")
def client(deployment: LocalDeployment) -> Client:
    return lambda service: aws_client(service, deployment.environment)


def servers(state: Path) -> set[int]:
    """Return the ids of the model servers' processes."""
    named = processes_naming(str(state)).items()
    return {process_id for process_id, command in named if "serve.py serve" in command}


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_until_idle(state: Path) -> None:
    wait_until(lambda: not servers(state), (IDLE_MINUTES + 4) * MINUTE_SECONDS + 10)


def metric(client: Client, name: str) -> list[float]:
    """Return the maximum of a metric of the endpoint in each of the latest minutes."""
    now = datetime.now(UTC)
    found = client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=name,
        Dimensions=[
            {"Name": "EndpointName", "Value": NAME},
            {"Name": "VariantName", "Value": "primary"},
        ],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    return [point["Maximum"] for point in found]


def test_the_endpoint_is_in_service_and_says_what_it_is(
    deployment: LocalDeployment, client: Client
) -> None:
    assert deployment.endpoint_name == NAME
    described = client("sagemaker").describe_endpoint(EndpointName=NAME)
    assert described["EndpointStatus"] == "InService"
    (variant,) = described["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 2}
    health = send(deployment, Request(method="GET", path="health", content_type=None, key=""))
    assert (health.status, health.body["status"]) == (200, "ok")


def test_an_idle_container_is_stopped_the_next_request_starts_one_and_others_use_it(
    state: Path, deployment: LocalDeployment, client: Client
) -> None:
    assert classify(deployment, GOOD)[0] == 200
    first = servers(state)
    wait_until_idle(state)
    assert classify(deployment, GOOD)[0] == 200
    container = servers(state)
    assert len(container) == 1
    assert container.isdisjoint(first)
    assert [classify(deployment, GOOD)[0] for _ in range(3)] == [200] * 3
    assert servers(state) == container
    assert max(metric(client, "ModelSetupTime")) > 100_000, "microseconds"


def test_requests_above_the_maximum_concurrency_are_throttled(
    state: Path, deployment: LocalDeployment, client: Client
) -> None:
    environment = deployment.environment
    runtime = boto3.client(
        "sagemaker-runtime",
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        verify=environment["AWS_CA_BUNDLE"],
        # The SDK would send throttled requests again.
        config=Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 1}),
    )

    def invoke(_number: int) -> str:
        try:
            runtime.invoke_endpoint(EndpointName=NAME, Body=GOOD, ContentType="image/png")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "served"

    wait_until_idle(state)
    with ThreadPoolExecutor(8) as pool:
        pending = pool.map(invoke, range(5))
        wait_until(lambda: len(servers(state)) == 2, 10)
        # While two containers start, the API refuses too.
        refused = send(deployment, Request(GOOD))
        outcomes = sorted(pending)
    assert outcomes == ["ThrottlingException"] * 3 + ["served"] * 2
    assert (refused.status, refused.body["error"]["code"]) == (429, "throttled")
    assert refused.headers["retry-after"] == "1"
    assert max(metric(client, "ServerlessConcurrentExecutionsUtilization")) == 1
    assert classify(deployment, GOOD)[0] == 200


def test_the_browser_of_the_system_gets_the_five_most_probable_classes(
    deployment: LocalDeployment,
) -> None:
    status, headers, body = request(deployment, "/config.js")
    assert (status, headers["cache-control"]) == (200, "no-cache")
    settings = json.loads(body.decode().removeprefix("window.WHIPPET = ").rstrip(";\n"))
    assert len(settings["model"]["version"]) == 12
    image = json.dumps({"image": base64.b64encode(GOOD).decode()}).encode()
    status, _, content = request(
        deployment, "/api/predict", "POST", image,
        content_type="application/json", x_api_key=deployment.api_key,
    )  # fmt: skip
    assert status == 200, content
    predictions = json.loads(content)["predictions"]
    found = [each["probability"] for each in predictions]
    assert len(found) == 5
    assert found == sorted(found, reverse=True)
    assert {each["label"] for each in predictions} <= set(deployment.labels)


def test_the_preset_has_no_key_and_keeps_nothing_warm(
    deployment: LocalDeployment, client: Client
) -> None:
    assert deployment.preset is None, "the stage's file names it"
    resources = stack_resources(client("cloudformation"), "whippet-local-storage")
    assert "AWS::KMS::Key" not in [kind for kind, _ in resources]
    assert not client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker"
    )["ScalableTargets"]


def test_a_stage_changes_to_instances_and_back_with_the_reason_and_the_way(
    state: Path, clone: Path, deployment: LocalDeployment, client: Client
) -> None:
    before = classify(deployment, GOOD)
    assert before[0] == 200
    warm = "serverless_provisioned_concurrency = 1\n"
    for old, new, name, other in (
        # The preset's own settings of serverless are left out.
        (SERVING + LIMIT, SERVING + INSTANCES, "whippet-local", "serverless"),
        (SERVING + INSTANCES, SERVING + LIMIT + warm, NAME, "instances"),
    ):
        change(clone, old, new)
        if other == "instances":
            settings = clone / "config" / "local.toml"
            settings.write_text(settings.read_text() + SCHEDULE)
        changed, printed = deploy(state, clone)
        assert "SageMaker cannot change it in place" in printed
        assert f'serving.mode = "{other}" in config/local.toml and `make up` again' in printed
        assert changed.endpoint_name == name
        assert (changed.api_url, changed.api_key) == (deployment.api_url, deployment.api_key)
        listed = client("sagemaker").list_endpoints()["Endpoints"]
        assert [each["EndpointName"] for each in listed] == [name]
        after = classify(changed, GOOD)
        assert after[0] == 200
        assert after[1]["predictions"] == before[1]["predictions"]
        (target,) = client("application-autoscaling").describe_scalable_targets(
            ServiceNamespace="sagemaker"
        )["ScalableTargets"]
        assert target["ResourceId"] == f"endpoint/{name}/variant/primary"
    assert target["ScalableDimension"] == "sagemaker:variant:DesiredProvisionedConcurrency"
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 1)
    (action,) = client("application-autoscaling").describe_scheduled_actions(
        ServiceNamespace="sagemaker"
    )["ScheduledActions"]
    assert action["ScalableTargetAction"] == {"MinCapacity": 2, "MaxCapacity": 2}
