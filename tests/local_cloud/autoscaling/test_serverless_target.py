"""The provisioned concurrency of a serverless variant: a number with bounds and a schedule."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local_cloud.sagemaker.errors import AwsError
from tests.local_cloud.autoscaling.test_scaler import DIMENSION, Load, forget_targets
from tests.local_cloud.sagemaker import SCOPE, StandInSageMaker
from tests.local_cloud.test_serverless import configure, invoke, servers

CONCURRENCY = {"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}


@pytest.fixture
def make_load(sagemaker: StandInSageMaker) -> Iterator[Callable[..., Load]]:
    def make(**serverless: int) -> Load:
        config = {"MemorySizeInMB": 1024, "MaxConcurrency": 4, **serverless}
        configure(sagemaker, "serverless", variant={"ServerlessConfig": config})
        sagemaker.call("CreateEndpoint", EndpointName="endpoint", EndpointConfigName="serverless")
        assert sagemaker.settled()["EndpointStatus"] == "InService"
        return Load(sagemaker, 60.0)

    yield make
    forget_targets()


def bounds(load: Load) -> tuple[int, int]:
    found = load.service.call(SCOPE, "DescribeScalableTargets", {"ServiceNamespace": "sagemaker"})
    (target,) = found["ScalableTargets"]
    assert target["ScalableDimension"] == CONCURRENCY["ScalableDimension"]
    return target["MinCapacity"], target["MaxCapacity"]


def test_its_bounds_follow_the_schedule_and_no_other_container_starts(
    make_load: Callable[..., Load],
) -> None:
    load = make_load(ProvisionedConcurrency=1)
    load.call("RegisterScalableTarget", **CONCURRENCY, MinCapacity=1, MaxCapacity=1)
    load.call(
        "PutScheduledAction", **CONCURRENCY, ScheduledActionName="morning",
        Schedule="at(2027-01-15T08:01:04)",
        ScalableTargetAction={"MinCapacity": 3, "MaxCapacity": 3},
    )  # fmt: skip
    assert load.minutes(None, 1) == [0]
    assert bounds(load) == (1, 1)
    # A container that runs for a request is not one that is kept warm.
    assert invoke(load.sagemaker)[0] == 200
    assert load.minutes(None, 2) == [1, 1]
    assert bounds(load) == (3, 3)
    (activity,) = load.activities()
    assert activity["StatusCode"] == "Successful"
    assert len(servers(load.sagemaker)) == 1


@pytest.mark.parametrize(
    ("serverless", "parameters", "reason"),
    [
        ({"ProvisionedConcurrency": 1}, {"MinCapacity": 1, "MaxCapacity": 5}, "expected 1 to 4"),
        ({"ProvisionedConcurrency": 1}, {"MinCapacity": 0, "MaxCapacity": 2}, "expected 1 to 4"),
        ({}, {"MinCapacity": 1, "MaxCapacity": 2}, "without provisioned concurrency"),
        (
            {"ProvisionedConcurrency": 1},
            {"MinCapacity": 1, "MaxCapacity": 2, "ScalableDimension": DIMENSION},
            "cannot be scaled by sagemaker:variant:DesiredInstanceCount",
        ),
    ],
)
def test_a_variant_takes_only_what_it_can_have(
    make_load: Callable[..., Load],
    serverless: dict[str, int],
    parameters: dict[str, Any],
    reason: str,
) -> None:
    load = make_load(**serverless)
    with pytest.raises(AwsError, match=reason):
        load.call("RegisterScalableTarget", **{**CONCURRENCY, **parameters})


def test_instances_have_no_provisioned_concurrency(sagemaker: StandInSageMaker) -> None:
    sagemaker.call(
        "CreateEndpoint", EndpointName="endpoint", EndpointConfigName="first-configuration"
    )
    sagemaker.settled()
    with pytest.raises(AwsError, match=f"expected {DIMENSION}"):
        Load(sagemaker, 60.0).call(
            "RegisterScalableTarget", **CONCURRENCY, MinCapacity=1, MaxCapacity=2
        )
