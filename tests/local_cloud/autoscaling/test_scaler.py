"""A variant grows and shrinks with its load, in virtual time and with real processes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local_cloud.clock import Clock
from local_cloud.cloudwatch.queries import Metric
from tests.local_cloud.sagemaker import SCOPE, StandInSageMaker

RESOURCE = "endpoint/endpoint/variant/primary"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
KEY = {
    "ServiceNamespace": "sagemaker", "ResourceId": RESOURCE, "ScalableDimension": DIMENSION,
}  # fmt: skip
INVOCATIONS = {
    "TargetValue": 60.0,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    },
    "ScaleOutCooldown": 30,
    "ScaleInCooldown": 30,
}


class Load:
    """An endpoint, its load a minute, and the time."""

    def __init__(self, sagemaker: StandInSageMaker, minute_seconds: float) -> None:
        from local_cloud.autoscaling.scaler import Scaler
        from local_cloud.autoscaling.targets import ScalingService

        self.sagemaker = sagemaker
        self.time = 1_800_000_000.0
        self.per_minute: dict[int, float | None] = {}
        self.clock = Clock(minute_seconds=minute_seconds, now=lambda: self.time)
        self.scaler = Scaler(sagemaker.endpoints, self.read, self.clock)
        self.service = ScalingService(sagemaker.endpoints, self.scaler)
        self.metrics: set[tuple[str, str, str]] = set()

    def put_policy(self, configuration: dict[str, Any], maximum: int = 3) -> None:
        self.call("RegisterScalableTarget", MinCapacity=1, MaxCapacity=maximum)
        self.call(
            "PutScalingPolicy", PolicyName="policy", PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=configuration,
        )  # fmt: skip

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self.service.call(SCOPE, operation, KEY | parameters)

    def read(self, metric: Metric, start: float, _end: float) -> float | None:
        assert metric.dimensions == {"EndpointName": "endpoint", "VariantName": "primary"}
        self.metrics.add((metric.namespace, metric.name, metric.statistic))
        return self.per_minute.get(int(start // self.clock.minute_seconds))

    def minutes(self, requests: float | None, count: int) -> list[int]:
        """Let minutes pass with so many requests in each, or without a datapoint.

        Returns:
            The number of instances after each minute.
        """
        sizes = []
        for _ in range(count):
            minute = int(self.time // self.clock.minute_seconds)
            self.per_minute[minute] = None if requests is None else requests / self.size()
            for _ in range(6):
                self.time += self.clock.real_seconds(10)
                self.scaler.tick()
                self.sagemaker.settled()
            sizes.append(self.size())
        return sizes

    def size(self) -> int:
        return self.sagemaker.endpoints.deployment(SCOPE, "endpoint").choose("primary").fleet.size


@pytest.fixture
def make_load(sagemaker: StandInSageMaker) -> Iterator[Callable[[float], Load]]:
    from moto.applicationautoscaling.models import applicationautoscaling_backends

    sagemaker.call(
        "CreateEndpoint", EndpointName="endpoint", EndpointConfigName="first-configuration"
    )
    sagemaker.settled()
    yield lambda minute_seconds: Load(sagemaker, minute_seconds)
    # Not reset(), which also resets moto's SageMaker.
    backend = applicationautoscaling_backends[SCOPE.account_id][SCOPE.region]
    backend.policies.clear()
    backend.targets.clear()


@pytest.mark.parametrize("minute_seconds", [60.0, 3.0])
def test_load_adds_instances_and_quiet_minutes_remove_them(
    make_load: Callable[[float], Load], minute_seconds: float
) -> None:
    load = make_load(minute_seconds)
    load.put_policy(INVOCATIONS)
    # 170 a minute are 3 instances of 60. The policy is first seen in the first minute, which does
    # not count; a minute is seen when it is over.
    assert load.minutes(170, 6) == [1, 1, 1, 3, 3, 3]
    assert load.minutes(20, 17) == [3] * 14 + [1] * 3
    assert load.metrics == {("AWS/SageMaker", "InvocationsPerInstance", "Sum")}
    activities = load.call("DescribeScalingActivities")["ScalingActivities"]
    assert [each["Cause"].rpartition(", ")[2] for each in activities] == [
        "from 3 to 1 instances", "from 1 to 3 instances",
    ]  # fmt: skip


def test_nothing_changes_without_a_policy_or_with_missing_data(
    make_load: Callable[[float], Load],
) -> None:
    load = make_load(60.0)
    assert load.minutes(1000, 4) == [1] * 4
    load.put_policy(INVOCATIONS)
    assert load.minutes(None, 4) == [1] * 4
    assert load.call("DescribeScalingActivities")["ScalingActivities"] == []


def test_concurrent_requests_scale_within_a_minute(make_load: Callable[[float], Load]) -> None:
    load = make_load(60.0)
    load.put_policy(
        INVOCATIONS
        | {
            "TargetValue": 4.0,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
            },
        },
        maximum=2,
    )
    assert load.minutes(9, 1) == [2]
    assert load.metrics == {("AWS/SageMaker", "ConcurrentRequestsPerModel", "Maximum")}
