"""What is called through the API has AWS's metrics, with AWS's names, dimensions and units."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.local.api_requests import classify
from tests.local.functions import proxy_function
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment

Client = Callable[[str], Any]
PHOTO = ROOT / "samples" / "cat.jpg"
STAGE = "whippet-local"


def total(client: Client, namespace: str, name: str, statistic: str, **dimensions: str) -> float:
    """Return a statistic of the last hour, 0 without data."""
    found = client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=datetime.now(UTC) - timedelta(hours=1),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=3600,
        Statistics=[statistic],
    )["Datapoints"]
    return float(sum(each[statistic] for each in found))


@pytest.fixture(scope="module")
def proxy(client: Client) -> str:
    return proxy_function(client)


def test_requests_to_the_api_are_counted(
    deployment: LocalDeployment, client: Client, proxy: str
) -> None:
    def counts() -> dict[str, float]:
        api = {"ApiName": STAGE}
        return {
            "requests": total(client, "AWS/ApiGateway", "Count", "Sum", **api),
            "of the stage": total(client, "AWS/ApiGateway", "Count", "Sum", **api, Stage="v1"),
            "4XX": total(client, "AWS/ApiGateway", "4XXError", "Sum", **api),
            "5XX": total(client, "AWS/ApiGateway", "5XXError", "SampleCount", **api),
            "invocations": total(client, "AWS/Lambda", "Invocations", "Sum", FunctionName=proxy),
            "errors": total(client, "AWS/Lambda", "Errors", "SampleCount", FunctionName=proxy),
            "model": total(
                client, "AWS/SageMaker", "Invocations", "SampleCount",
                EndpointName=STAGE, VariantName="primary",
            ),
        }  # fmt: skip

    before = counts()
    assert classify(deployment, PHOTO.read_bytes())[0] == 200
    assert classify(deployment, b"no image")[0] == 415
    after = counts()
    changed = {name: after[name] - before[name] for name in before}
    # The function refuses what is no image, without invoking the endpoint. Zeros of idle minutes
    # may be added to the model's samples meanwhile.
    assert changed.pop("model") in {1, 2}
    assert changed == {
        "requests": 2, "of the stage": 2, "4XX": 1, "5XX": 2, "invocations": 2, "errors": 2,
    }  # fmt: skip
    latency = total(client, "AWS/ApiGateway", "Latency", "Maximum", ApiName=STAGE)
    assert 1 < latency < 30_000, "milliseconds"
    assert total(client, "AWS/Lambda", "Duration", "Maximum", FunctionName=proxy) <= latency
    model = {"EndpointName": STAGE, "VariantName": "primary"}
    microseconds = total(client, "AWS/SageMaker", "ModelLatency", "Maximum", **model)
    assert 500 < microseconds < 30_000_000


def test_the_functions_own_metrics_arrive(deployment: LocalDeployment, client: Client) -> None:
    status, response = classify(deployment, PHOTO.read_bytes())
    assert status == 200
    listed = client("cloudwatch").list_metrics(MetricName="PredictionEntropy")["Metrics"]
    assert listed, "the log lines in embedded metric format are metrics"
    metric = listed[0]
    dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
    count = total(client, metric["Namespace"], "PredictionEntropy", "SampleCount", **dimensions)
    assert classify(deployment, PHOTO.read_bytes())[0] == 200
    more = total(client, metric["Namespace"], "PredictionEntropy", "SampleCount", **dimensions)
    assert more == count + 1
    assert response["predictions"]


def test_idle_minutes_and_the_use_of_the_instance_are_measured(
    deployment: LocalDeployment, client: Client
) -> None:
    assert deployment.api_url
    dimensions = {"EndpointName": STAGE, "VariantName": "primary"}
    deadline = time.monotonic() + 90
    namespace = "/aws/sagemaker/Endpoints"
    while not total(client, namespace, "MemoryUtilization", "SampleCount", **dimensions):
        assert time.monotonic() < deadline
        time.sleep(1)
    assert 0 < total(client, namespace, "MemoryUtilization", "Maximum", **dimensions) < 100
    assert 0 < total(client, namespace, "DiskUtilization", "Maximum", **dimensions) <= 100
