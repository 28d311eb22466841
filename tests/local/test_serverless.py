"""A stage whose endpoint is serverless: cold, warm, throttled, idle, and changed to instances."""

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
from tools.aws import aws_client
from tools.local.deployment import LocalDeployment, read_local_deployment

MINUTE_SECONDS = 0.5
NAME = "whippet-local-serverless"
OF_INSTANCES = "container_startup_timeout_seconds = 240\n"
MODE = 'mode = "serverless"\nserverless_max_concurrency = 2\n'
Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serverless")


@pytest.fixture(scope="module")
def clone(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this tree whose stage `local` is serverless."""
    folder = tmp_path_factory.mktemp("serverless-clone") / "clone"
    copy_tree(folder, state)
    change(folder, OF_INSTANCES, MODE)
    return folder


def change(clone: Path, old: str, new: str) -> None:
    settings = clone / "config" / "local.toml"
    text = settings.read_text()
    assert text.count(old) == 1
    settings.write_text(text.replace(old, new))


def deploy(state: Path, clone: Path) -> LocalDeployment:
    run_tool(
        "tools.local.up",
        "--model", str(DEMO_MODEL),
        "--state-directory", str(state),
        "--deployment", str(state / "local.json"),
        "--port", "0",
        "--public-port", "0",
        "--minute-seconds", str(MINUTE_SECONDS),
        folder=clone,
    )  # fmt: skip
    return read_local_deployment(state / "local.json")


@pytest.fixture(scope="module")
def deployment(state: Path, clone: Path) -> Iterator[LocalDeployment]:
    try:
        yield deploy(state, clone)
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


def test_a_stage_changes_to_instances_and_its_serverless_endpoint_is_gone(
    state: Path, clone: Path, deployment: LocalDeployment, client: Client
) -> None:
    before = classify(deployment, GOOD)
    change(clone, MODE, OF_INSTANCES)
    changed = deploy(state, clone)
    assert changed.endpoint_name == "whippet-local"
    assert (changed.api_url, changed.api_key) == (deployment.api_url, deployment.api_key)
    listed = client("sagemaker").list_endpoints()["Endpoints"]
    assert [each["EndpointName"] for each in listed] == ["whippet-local"]
    after = classify(changed, GOOD)
    assert after[0] == before[0] == 200
    assert after[1]["predictions"] == before[1]["predictions"]
    targets = client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker"
    )["ScalableTargets"]
    assert [each["ResourceId"] for each in targets] == ["endpoint/whippet-local/variant/primary"]
