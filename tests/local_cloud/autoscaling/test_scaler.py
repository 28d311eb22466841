"""A variant grows and shrinks with its load, in virtual time and with real processes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local_cloud.clock import Clock
from local_cloud.cloudwatch.breach import Breach
from local_cloud.cloudwatch.queries import Metric
from local_cloud.sagemaker.errors import AwsError
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
        self.clock = Clock(
            minute_seconds=minute_seconds, now=lambda: self.time, origin=self.time
        )  # fmt: skip
        self.breaches: dict[str, list[Breach]] = {}
        self.scaler = Scaler(sagemaker.endpoints, self.read, self, self.clock)
        self.service = ScalingService(sagemaker.endpoints, self.scaler, self.clock)
        self.metrics: set[tuple[str, str, str]] = set()

    def put_policy(self, configuration: dict[str, Any], maximum: int = 3) -> None:
        self.call("RegisterScalableTarget", MinCapacity=1, MaxCapacity=maximum)
        self.call(
            "PutScalingPolicy", PolicyName="policy", PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=configuration,
        )  # fmt: skip

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self.service.call(SCOPE, operation, KEY | parameters)

    def acting(self, action_arn: str) -> list[Breach]:
        return self.breaches.get(action_arn, [])

    def activities(self, **parameters: Any) -> list[dict[str, Any]]:
        found = self.service.call(
            SCOPE, "DescribeScalingActivities", {"ServiceNamespace": "sagemaker", **parameters}
        )
        activities: list[dict[str, Any]] = found["ScalingActivities"]
        return activities

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


def forget_targets() -> None:
    from moto.applicationautoscaling.models import applicationautoscaling_backends

    # Not reset(), which also resets moto's SageMaker.
    backend = applicationautoscaling_backends[SCOPE.account_id][SCOPE.region]
    backend.policies.clear()
    backend.targets.clear()
    backend.scheduled_actions.clear()


@pytest.fixture
def make_load(sagemaker: StandInSageMaker) -> Iterator[Callable[[float], Load]]:
    sagemaker.call(
        "CreateEndpoint", EndpointName="endpoint", EndpointConfigName="first-configuration"
    )
    sagemaker.settled()
    yield lambda minute_seconds: Load(sagemaker, minute_seconds)
    forget_targets()


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
    assert [each["Details"].rpartition(", ")[2] for each in activities] == [
        "from 3 to 1 instances", "from 1 to 3 instances",
    ]  # fmt: skip
    assert {each["StatusCode"] for each in activities} == {"Successful"}


def test_nothing_changes_without_a_policy_or_with_missing_data(
    make_load: Callable[[float], Load],
) -> None:
    load = make_load(60.0)
    assert load.minutes(1000, 4) == [1] * 4
    load.put_policy(INVOCATIONS)
    assert load.minutes(None, 4) == [1] * 4
    assert load.call("DescribeScalingActivities")["ScalingActivities"] == []


def test_concurrent_requests_add_instances_within_a_minute_and_remove_them_after_fifteen(
    make_load: Callable[[float], Load],
) -> None:
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
    assert load.minutes(2, 15) == [2] * 14 + [1]
    assert load.metrics == {("AWS/SageMaker", "ConcurrentRequestsPerModel", "Maximum")}


def put_action(load: Load, schedule: str, minimum: int, maximum: int, **members: Any) -> None:
    load.call(
        "PutScheduledAction", ScheduledActionName=f"{minimum} to {maximum}", Schedule=schedule,
        ScalableTargetAction={"MinCapacity": minimum, "MaxCapacity": maximum}, **members,
    )  # fmt: skip


@pytest.mark.parametrize("minute_seconds", [60.0, 3.0])
def test_scheduled_actions_set_the_bounds_by_the_time_of_day(
    make_load: Callable[[float], Load], minute_seconds: float
) -> None:
    load = make_load(minute_seconds)  # 1,800,000,000 s is 08:00:00 on 15 January 2027, UTC
    load.put_policy(INVOCATIONS)
    put_action(load, "cron(3 9 ? * FRI *)", 2, 3, Timezone="Europe/Berlin")
    put_action(load, "at(2027-01-15T08:06:00)", 1, 1)
    assert load.minutes(20, 2) == [1, 1]
    assert load.minutes(20, 2) == [2, 2]
    assert load.minutes(20, 3) == [2, 1, 1]
    assert [each["Description"] for each in reversed(load.activities())] == [
        "Setting min capacity to 2 and max capacity to 3", "Setting desired instance count to 2.",
        "Setting min capacity to 1 and max capacity to 1", "Setting desired instance count to 1.",
    ]  # fmt: skip
    assert [each["Cause"] for each in reversed(load.activities())] == [
        "scheduled action name 2 to 3 was triggered", "minimum capacity was set to 2",
        "scheduled action name 1 to 1 was triggered", "maximum capacity was set to 1",
    ]  # fmt: skip
    (target,) = load.service.call(
        SCOPE, "DescribeScalableTargets", {"ServiceNamespace": "sagemaker"}
    )["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 1)


@pytest.mark.parametrize("is_rolled_back", [False, True])
def test_an_endpoint_that_is_updated_scales_afterwards(
    make_load: Callable[[float], Load], is_rolled_back: bool
) -> None:
    load = make_load(60.0)
    load.put_policy(INVOCATIONS)
    put_action(load, "at(2027-01-15T08:02:00)", 2, 3)
    load.sagemaker.call(
        "UpdateEndpoint", EndpointName="endpoint", EndpointConfigName="second-configuration",
        RetainAllVariantProperties=True,
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
                "TerminationWaitInSeconds": 180,
            },
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
        },
    )  # fmt: skip
    for number in range(30):
        load.per_minute[int(load.time // 60)] = 170.0
        load.time += 10
        load.scaler.tick()
        due = ["Setting min capacity to 2 and max capacity to 3"] if number >= 11 else []
        assert [each["Description"] for each in load.activities()] == due
    described = load.sagemaker.call("DescribeEndpoint", EndpointName="endpoint")
    assert (described["EndpointStatus"], load.size()) == ("Updating", 1)
    if is_rolled_back:
        load.sagemaker.raised_alarms.add("errors")
    assert ("FailureReason" in load.sagemaker.settled()) is is_rolled_back
    assert load.minutes(150, 1) == [2]
    newest = load.activities()[0]
    assert (newest["Cause"], newest["StatusCode"]) == (
        "minimum capacity was set to 2", "Successful",
    )  # fmt: skip
    assert len(load.activities()) == 2


def test_scheduled_scaling_can_be_suspended_and_a_bad_action_fails(
    make_load: Callable[[float], Load],
) -> None:
    load = make_load(60.0)
    load.put_policy(INVOCATIONS)
    load.call("RegisterScalableTarget", SuspendedState={"ScheduledScalingSuspended": True})
    put_action(load, "rate(1 minute)", 2, 3)
    assert load.minutes(20, 2) == [1, 1]
    load.call("RegisterScalableTarget", SuspendedState={"ScheduledScalingSuspended": False})
    assert load.minutes(20, 2) == [2, 2]
    load.call(
        "PutScheduledAction", ScheduledActionName="2 to 3",
        ScalableTargetAction={"MinCapacity": 4},
    )  # fmt: skip
    load.minutes(20, 1)
    failed = load.activities()[0]
    assert failed["StatusCode"] == "Failed"
    assert "minimum capacity 4 is greater than the maximum capacity 3" in failed["StatusMessage"]


def test_an_alarm_starts_a_step_scaling_policy_once_a_minute(
    make_load: Callable[[float], Load],
) -> None:
    load = make_load(60.0)
    load.call("RegisterScalableTarget", MinCapacity=1, MaxCapacity=3)
    steps = [
        {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": 0},
        {"MetricIntervalLowerBound": 10.0, "ScalingAdjustment": 1},
    ]
    put = load.call(
        "PutScalingPolicy", PolicyName="steps", PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps, "Cooldown": 0,
        },
    )  # fmt: skip
    alarms = [Breach(alarm_name="too hot", threshold=50, values=[65])]
    load.breaches["another"] = alarms
    assert load.minutes(0, 2) == [1, 1]
    load.breaches[put["PolicyARN"]] = alarms
    assert load.minutes(0, 2) == [2, 3]
    assert load.minutes(0, 2) == [3, 3]
    (second, first) = load.activities(ResourceId=RESOURCE, ScalableDimension=DIMENSION)
    assert first["Cause"] == ("policy steps: alarm too hot: 65 is +15 from its threshold")
    assert second["EndTime"] >= second["StartTime"]
    everything = load.activities(IncludeNotScaledActivities=True)
    # The alarm starts the policy in each of the last two minutes.
    at_maximum = [{"Code": "AlreadyAtMaxCapacity", "CurrentCapacity": 3, "MaxCapacity": 3}]
    assert [each.get("NotScaledReasons") for each in everything] == [
        at_maximum, at_maximum, None, None,
    ]  # fmt: skip


def test_activities_come_in_pages(make_load: Callable[[float], Load]) -> None:
    load = make_load(60.0)
    load.call("RegisterScalableTarget", MinCapacity=1, MaxCapacity=3)
    for minute, count in enumerate([2, 3, 1], start=1):
        put_action(load, f"at(2027-01-15T08:0{minute}:00)", count, count)
    assert load.minutes(0, 4) == [2, 3, 1, 1]
    everything = load.activities()
    assert len(everything) == 6
    assert [each["StartTime"] for each in everything] == sorted(
        (each["StartTime"] for each in everything), reverse=True
    )
    pages: list[dict[str, Any]] = []
    token: dict[str, Any] = {}
    for size in (4, 2):
        page = load.service.call(
            SCOPE, "DescribeScalingActivities",
            {"ServiceNamespace": "sagemaker", "MaxResults": 4, **token},
        )  # fmt: skip
        assert len(page["ScalingActivities"]) == size
        pages += page["ScalingActivities"]
        token = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
    assert not token
    assert pages == everything
    assert load.activities(ResourceId="endpoint/other/variant/primary") == []
    assert load.activities(ServiceNamespace="ecs") == []


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"NextToken": "none"}, "InvalidNextTokenException"),
        ({"MaxResults": 0}, "ValidationException"),
        ({"MaxResults": 51}, "ValidationException"),
        ({"ScalableDimension": DIMENSION}, "ValidationException"),
    ],
)
def test_a_description_that_is_refused(
    make_load: Callable[[float], Load], parameters: dict[str, Any], code: str
) -> None:
    with pytest.raises(AwsError) as refused:
        make_load(60.0).activities(**parameters)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("operation", "parameters", "code", "reason"),
    [
        ("RegisterScalableTarget", {"MinCapacity": 3, "MaxCapacity": 2}, "ValidationException",
         "Maximum capacity 2 cannot be less"),
        ("RegisterScalableTarget", {"MinCapacity": 1}, "ValidationException", "needs MinCapacity"),
        ("PutScalingPolicy", {"PolicyName": "policy", "PolicyType": "StepScaling"},
         "ObjectNotFoundException", "No scalable target registered"),
        ("PutScheduledAction", {"ScheduledActionName": "action", "Schedule": "rate(1 day)"},
         "ObjectNotFoundException", "No scalable target registered"),
    ],
)  # fmt: skip
def test_a_request_for_no_target_is_refused(
    make_load: Callable[[float], Load], operation: str, parameters: dict[str, Any], code: str,
    reason: str,
) -> None:  # fmt: skip
    with pytest.raises(AwsError, match=reason) as refused:
        make_load(60.0).call(operation, **parameters)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("operation", "parameters", "reason"),
    [
        ("PutScheduledAction", {"ScheduledActionName": "action", "Schedule": "rate(1 week)",
         "ScalableTargetAction": {"MinCapacity": 1}}, "expected at"),
        ("PutScheduledAction", {"ScheduledActionName": "action",
         "ScalableTargetAction": {"MinCapacity": 1}}, "needs a Schedule"),
        ("PutScheduledAction", {"ScheduledActionName": "action", "Schedule": "rate(1 day)"},
         "needs MinCapacity or MaxCapacity"),
        ("PutScheduledAction", {"ScheduledActionName": "action", "Schedule": "rate(1 day)",
         "ScalableTargetAction": {"MinCapacity": 1}, "StartTime": "soon"}, "is not a time"),
        ("PutScalingPolicy", {"PolicyName": "policy", "PolicyType": "StepScaling",
         "StepScalingPolicyConfiguration": {"AdjustmentType": "ChangeInCapacity",
         "StepAdjustments": []}}, "no step adjustment"),
        ("PutScalingPolicy", {"PolicyName": "policy", "PolicyType": "StepScaling",
         "StepScalingPolicyConfiguration": {"AdjustmentType": "ExactCapacity",
         "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": -1}]}},
         "negative"),
    ],
)  # fmt: skip
def test_an_action_or_policy_that_is_none_is_refused(
    make_load: Callable[[float], Load], operation: str, parameters: dict[str, Any], reason: str
) -> None:
    load = make_load(60.0)
    load.call("RegisterScalableTarget", MinCapacity=1, MaxCapacity=3)
    with pytest.raises(AwsError, match=reason):
        load.call(operation, **parameters)
    assert load.minutes(0, 2) == [1, 1]


def test_a_change_that_cannot_be_made_is_unfulfilled(
    make_load: Callable[[float], Load], monkeypatch: pytest.MonkeyPatch
) -> None:
    from local_cloud.sagemaker.errors import HostingError
    from local_cloud.sagemaker.hosting.instance import Instance

    load = make_load(60.0)
    load.put_policy(INVOCATIONS)

    def fail(_instance: Instance) -> None:
        raise HostingError("no machine is left")

    monkeypatch.setattr(Instance, "start", fail)
    assert load.minutes(170, 4) == [1] * 4
    unfulfilled = load.activities()[-1]
    assert (unfulfilled["StatusCode"], unfulfilled["StatusMessage"]) == (
        "Unfulfilled", "no machine is left",
    )  # fmt: skip


def test_a_fleet_that_is_stopped_stays_so(make_load: Callable[[float], Load]) -> None:
    load = make_load(60.0)
    load.put_policy(INVOCATIONS)
    load.minutes(20, 1)
    load.sagemaker.endpoints.stop()
    load.time += 60
    load.scaler.tick()
    load.sagemaker.settled()
    assert load.size() == 0
    assert load.activities() == []


def test_of_actions_that_are_due_together_the_latest_wins(
    make_load: Callable[[float], Load],
) -> None:
    load = make_load(60.0)
    load.put_policy(INVOCATIONS)
    put_action(load, "at(2027-01-15T08:01:08)", 3, 3)
    put_action(load, "at(2027-01-15T08:01:04)", 2, 2)
    assert load.minutes(20, 2) == [1, 3]


def test_a_policy_that_cannot_go_on_is_noted_once(make_load: Callable[[float], Load]) -> None:
    load = make_load(60.0)
    load.put_policy(INVOCATIONS, maximum=1)
    assert load.minutes(170, 6) == [1] * 6
    assert load.activities() == []
    (noted,) = load.activities(IncludeNotScaledActivities=True)
    assert noted["StatusCode"] == "Failed"
    assert noted["NotScaledReasons"][0]["Code"] == "AlreadyAtMaxCapacity"
