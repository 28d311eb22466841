"""Serverless variants: cold, warm, idle, throttled, and what SageMaker refuses."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_cloud.clock import Clock
from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.hosting.fleet import NoHealthyInstanceError
from local_cloud.sagemaker.hosting.fleet_metrics import FleetMetrics
from local_cloud.sagemaker.hosting.serverless import (
    IDLE_MINUTES,
    MAX_PAYLOAD_BYTES,
    Containers,
    ThrottledError,
)
from tests.local_cloud.sagemaker import SCOPE, StandInSageMaker

CONFIG = {"MemorySizeInMB": 2048, "MaxConcurrency": 2}
VARIANT = {"EndpointName": "endpoint", "VariantName": "primary"}


def configure(sagemaker: StandInSageMaker, name: str, **changes: Any) -> None:
    """Create an endpoint configuration; a change of None leaves the member out."""
    variant = {"VariantName": "primary", "ModelName": "first", "ServerlessConfig": CONFIG}
    variant |= changes.pop("variant", {})
    sagemaker.call(
        "CreateEndpointConfig",
        **{"EndpointConfigName": name, "ProductionVariants": [variant], **changes},
    )


@pytest.fixture
def endpoint(sagemaker: StandInSageMaker) -> StandInSageMaker:
    configure(sagemaker, "serverless")
    sagemaker.call("CreateEndpoint", EndpointName="endpoint", EndpointConfigName="serverless")
    assert sagemaker.settled()["EndpointStatus"] == "InService"
    return sagemaker


def invoke(sagemaker: StandInSageMaker, body: bytes = b"image") -> tuple[int, Any]:
    path = "/endpoints/endpoint/invocations"
    status, _, content = sagemaker.service.handle(SCOPE, path, {}, body)
    return status, json.loads(content)


def servers(sagemaker: StandInSageMaker) -> list[int]:
    return [
        process.pid
        for process in psutil.Process().children()
        if str(sagemaker.models) in " ".join(process.cmdline())
    ]


def values(sagemaker: StandInSageMaker, name: str) -> list[float]:
    found = sagemaker.platform.metrics
    return [value for each, value, given in found if each == name and given == VARIANT]


def containers(sagemaker: StandInSageMaker) -> Containers:
    fleet = sagemaker.endpoints.deployment(SCOPE, "endpoint").choose("primary").fleet
    assert isinstance(fleet, Containers)
    return fleet


def test_no_process_runs_before_the_first_request_and_one_serves_those_after_it(
    endpoint: StandInSageMaker,
) -> None:
    assert servers(endpoint) == []
    responses = [invoke(endpoint) for _ in range(3)]
    assert [status for status, _ in responses] == [200] * 3
    assert {content["process_id"] for _, content in responses} == set(servers(endpoint))
    assert len(servers(endpoint)) == 1


def test_a_cold_start_is_measured_and_is_part_of_the_overhead(endpoint: StandInSageMaker) -> None:
    for _ in range(3):
        invoke(endpoint)
    (setup,) = values(endpoint, "ModelSetupTime")
    cold, *warm = values(endpoint, "OverheadLatency")
    assert cold >= setup > 10_000, "microseconds"
    assert max(warm) < setup
    assert max(values(endpoint, "ModelLatency")) < setup
    assert values(endpoint, "ServerlessConcurrentExecutionsUtilization") == [0.5] * 3


def test_its_metrics_are_those_that_a_serverless_endpoint_publishes(
    endpoint: StandInSageMaker,
) -> None:
    assert invoke(endpoint, b"bad")[0] == 424
    assert {name for name, _, _ in endpoint.platform.metrics} == {
        "Invocations",
        "Invocation4XXErrors",
        "Invocation5XXErrors",
        "ModelLatency",
        "ModelSetupTime",
        "OverheadLatency",
        "ServerlessConcurrentExecutionsUtilization",
    }
    assert values(endpoint, "Invocation4XXErrors") == [1]


def test_requests_at_once_have_a_container_each_and_more_are_throttled(
    sagemaker: StandInSageMaker,
) -> None:
    sagemaker.create_model("slow")
    configure(sagemaker, "serverless", variant={"ModelName": "slow"})
    sagemaker.call("CreateEndpoint", EndpointName="endpoint", EndpointConfigName="serverless")
    sagemaker.settled()
    with ThreadPoolExecutor(5) as pool:
        responses = list(pool.map(lambda _: invoke(sagemaker), range(5)))
    served = [content for status, content in responses if status == 200]
    throttled = [content for status, content in responses if status == 400]
    assert len({content["process_id"] for content in served}) == len(served) == 2
    assert {content["__type"] for content in throttled} == {"ThrottlingException"}
    assert len(throttled) == 3
    assert values(sagemaker, "Invocations") == [1, 1], "a throttled request is no invocation"
    assert max(values(sagemaker, "ServerlessConcurrentExecutionsUtilization")) == 1
    assert invoke(sagemaker)[0] == 200


def test_a_container_that_does_not_start_fails_its_request_alone(
    sagemaker: StandInSageMaker,
) -> None:
    configure(sagemaker, "serverless", variant={"ModelName": "damaged"})
    sagemaker.call("CreateEndpoint", EndpointName="endpoint", EndpointConfigName="serverless")
    assert sagemaker.settled()["EndpointStatus"] == "InService", "nothing was started yet"
    for _ in range(3):
        status, error = invoke(sagemaker)
        assert (status, error["__type"], error["OriginalStatusCode"]) == (424, "ModelError", 500)
        assert "the model is damaged" in error["OriginalMessage"]
    assert values(sagemaker, "Invocation5XXErrors") == [1] * 3
    assert values(sagemaker, "ModelSetupTime") == []
    assert servers(sagemaker) == []


def test_a_container_has_3_minutes_to_start(endpoint: StandInSageMaker) -> None:
    instance = containers(endpoint)._make_instance(1)
    assert instance._specification.startup_timeout_seconds == 180


def test_a_container_that_has_crashed_is_not_used(endpoint: StandInSageMaker) -> None:
    first = invoke(endpoint)[1]["process_id"]
    psutil.Process(first).kill()
    (container,) = containers(endpoint)._containers
    deadline = time.monotonic() + 10
    while container.instance.healthy:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    status, content = invoke(endpoint)
    assert (status, content["process_id"] == first) == (200, False)


def test_a_request_of_more_than_4_mb_is_refused(endpoint: StandInSageMaker) -> None:
    status, error = invoke(endpoint, b"x" * (MAX_PAYLOAD_BYTES + 1))
    assert (status, error["__type"]) == (400, "ValidationError")
    assert servers(endpoint) == []
    assert invoke(endpoint, b"x" * MAX_PAYLOAD_BYTES)[0] == 200


def test_describe_endpoint_shows_the_configuration_and_no_instances(
    endpoint: StandInSageMaker,
) -> None:
    invoke(endpoint)
    (variant,) = endpoint.call("DescribeEndpoint", EndpointName="endpoint")["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == CONFIG
    assert variant["CurrentInstanceCount"] == 0


def test_an_update_starts_cold_and_stops_the_old_containers(endpoint: StandInSageMaker) -> None:
    invoke(endpoint)
    configure(endpoint, "larger", variant={"ServerlessConfig": {**CONFIG, "MaxConcurrency": 9}})
    endpoint.call("UpdateEndpoint", EndpointName="endpoint", EndpointConfigName="larger")
    (variant,) = endpoint.settled()["ProductionVariants"]
    assert variant["CurrentServerlessConfig"]["MaxConcurrency"] == 9
    assert servers(endpoint) == []
    assert invoke(endpoint)[0] == 200


def test_a_deleted_endpoint_leaves_nothing(endpoint: StandInSageMaker) -> None:
    invoke(endpoint)
    endpoint.call("DeleteEndpoint", EndpointName="endpoint")
    endpoint.endpoints.wait(SCOPE, "endpoint")
    assert servers(endpoint) == []
    assert list(endpoint.models.iterdir()) == []


def test_an_endpoint_with_instances_cannot_become_serverless_but_the_other_way_round(
    endpoint: StandInSageMaker,
) -> None:
    endpoint.call(
        "UpdateEndpoint",
        EndpointName="endpoint",
        EndpointConfigName="first-configuration",
        RetainAllVariantProperties=True,
    )
    (variant,) = endpoint.settled()["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == 1
    with pytest.raises(AwsError, match="from instances to serverless; create another endpoint"):
        endpoint.call("UpdateEndpoint", EndpointName="endpoint", EndpointConfigName="serverless")
    assert invoke(endpoint)[0] == 200


def test_its_size_cannot_be_set(endpoint: StandInSageMaker) -> None:
    change = {"VariantName": "primary", "DesiredInstanceCount": 2}
    with pytest.raises(AwsError, match="is serverless: it has no instances"):
        endpoint.call(
            "UpdateEndpointWeightsAndCapacities",
            EndpointName="endpoint",
            DesiredWeightsAndCapacities=[change],
        )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"KmsKeyId": "alias/key"}, "does not support KmsKeyId"),
        (
            {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}},
            "does not support VpcConfig",
        ),
        ({"EnableNetworkIsolation": True}, "does not support EnableNetworkIsolation"),
        (
            {
                "DataCaptureConfig": {
                    "InitialSamplingPercentage": 10,
                    "DestinationS3Uri": "s3://captures",
                    "CaptureOptions": [{"CaptureMode": "Input"}],
                }
            },
            "does not support DataCaptureConfig",
        ),
        ({"variant": {"InstanceType": "ml.m5.large"}}, "does not support InstanceType"),
        ({"variant": {"InitialInstanceCount": 1}}, "does not support InitialInstanceCount"),
        (
            {"variant": {"ServerlessConfig": {"MemorySizeInMB": 1500, "MaxConcurrency": 1}}},
            "MemorySizeInMB is 1500; expected one of 1024, 2048",
        ),
        (
            {"variant": {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 201}}},
            "less than or equal to 200",
        ),
        (
            {"variant": {"ServerlessConfig": {**CONFIG, "ProvisionedConcurrency": 3}}},
            "ProvisionedConcurrency is 3; expected at most MaxConcurrency, 2",
        ),
        ({"variant": {"ModelName": "isolated"}}, "EnableNetworkIsolation of the model isolated"),
    ],
)
def test_what_serverless_inference_does_not_have_is_refused(
    sagemaker: StandInSageMaker, changes: dict[str, Any], reason: str
) -> None:
    sagemaker.call(
        "CreateModel",
        ModelName="isolated",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/serving",
        PrimaryContainer=sagemaker.call("DescribeModel", ModelName="first")["PrimaryContainer"],
        EnableNetworkIsolation=True,
    )
    with pytest.raises(AwsError) as refused:
        configure(sagemaker, "refused", **changes)
    assert refused.value.code == "ValidationException"
    assert reason in refused.value.message


def test_several_variants_are_refused(sagemaker: StandInSageMaker) -> None:
    variants = [
        {"VariantName": name, "ModelName": "first", "ServerlessConfig": CONFIG}
        for name in ("one", "two")
    ]
    with pytest.raises(AwsError, match="does not support several production variants"):
        sagemaker.call("CreateEndpointConfig", EndpointConfigName="x", ProductionVariants=variants)


class StandInInstance:
    """A container that starts at once."""

    def __init__(self) -> None:
        self.healthy, self.stopped, self.process_id = False, False, None

    def start(self) -> None:
        self.healthy = True

    def stop(self) -> None:
        self.healthy, self.stopped = False, True


@contextmanager
def in_virtual_time() -> Iterator[tuple[Containers, list[StandInInstance], list[float]]]:
    made: list[StandInInstance] = []
    now = [1000.0]

    def make(_number: int) -> Any:
        made.append(StandInInstance())
        return made[-1]

    yield (
        Containers(
            make,
            variant_name="primary",
            max_concurrency=3,
            memory_mb=1024,
            put_metric=lambda *_: None,
            clock=Clock(minute_seconds=2, now=lambda: now[0]),
        ),
        made,
        now,
    )


def stopped_soon(instance: StandInInstance) -> bool:
    deadline = time.monotonic() + 5
    while not instance.stopped and time.monotonic() < deadline:
        time.sleep(0.005)
    return instance.stopped


def test_an_idle_container_is_stopped_after_some_minutes_and_a_busy_one_is_not() -> None:
    with in_virtual_time() as (found, made, now):
        with found.lease(), found.lease():
            pass
        with found.lease():
            now[0] += 2 * IDLE_MINUTES - 0.1
            found.stop_idle()
            assert found.size == 2
            now[0] += 0.2
            found.stop_idle()
            assert found.size == 1
            assert [each.stopped or stopped_soon(each) for each in made].count(True) == 1
        found.stop_idle()
        assert found.size == 1, "it was in use just now"


def test_no_request_is_taken_once_it_is_stopped() -> None:
    with in_virtual_time() as (found, made, _):
        with found.lease():
            pass
        found.resize(0, drain_seconds=0)
        assert [each.stopped for each in made] == [True]
        with pytest.raises(NoHealthyInstanceError), found.lease():
            pass


def test_a_throttled_request_leaves_room_for_the_next_ones() -> None:
    with in_virtual_time() as (found, made, _):
        with found.lease(), found.lease(), found.lease():
            for _ in range(2):
                with pytest.raises(ThrottledError), found.lease():
                    pass
        with found.lease():
            assert found.outstanding == 1
        assert len(made) == 3


def test_a_tick_measures_memory_alone_and_stops_idle_containers(
    endpoint: StandInSageMaker, tmp_path: Path
) -> None:
    recorded: list[tuple[str, str, float]] = []

    class Recorder:
        def put_metric(
            self, name: str, value: float, *, namespace: str = "AWS/SageMaker", **_: Any
        ) -> None:
            recorded.append((namespace, name, value))

    invoke(endpoint)
    now = time.time()
    recorder: Any = Recorder()
    metrics = FleetMetrics(
        endpoint.endpoints,
        recorder,
        lambda _metric, _start, _end: None,
        Clock(minute_seconds=1, now=lambda: now),
        tmp_path,
    )
    metrics.tick()
    now += 1
    metrics.tick()
    names = {(namespace, name) for namespace, name, _ in recorded}
    memory = ("/aws/sagemaker/Endpoints", "MemoryUtilization")
    assert names == {("AWS/SageMaker", "Invocations"), memory}
    (used,) = (value for namespace, name, value in recorded if (namespace, name) == memory)
    assert 0.1 < used < 20, "percent of 2048 MB"
