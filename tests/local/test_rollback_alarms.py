"""An update's rollback alarms are read with the permissions of the execution role."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.local.api_requests import classify
from tests.local.test_api import GOOD
from tests.local.test_iam import execution_role
from tests.local.waiting import wait_for_endpoint
from tools.local.deployment import LocalDeployment

Client = Callable[[str], Any]
Resources = Callable[[str, str], list[str]]
Update = Callable[..., Any]

ACTION = "cloudwatch:DescribeAlarms"
PREFIX = "whippet-local-serving-RollbackAlarms"
RULE: dict[str, Any] = {
    "Namespace": "Test",
    "MetricName": "Errors",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "TreatMissingData": "notBreaching",
}


@pytest.fixture
def update(client: Client, deployment: LocalDeployment) -> Update:
    """Update the endpoint to the configuration that it has; what it says then."""
    sagemaker = client("sagemaker")

    def update(*alarms: str) -> Any:
        name = deployment.endpoint_name
        before = sagemaker.describe_endpoint(EndpointName=name)
        routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
        sagemaker.update_endpoint(
            EndpointName=name,
            EndpointConfigName=before["EndpointConfigName"],
            DeploymentConfig={
                "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
                "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": each} for each in alarms]},
            },
        )
        return wait_for_endpoint(sagemaker, name, until="InService", through="RollingBack")

    return update


@contextmanager
def without_action(iam: Any, role: str, action: str) -> Iterator[None]:
    """Remove the statements of a role's inline policies that allow an action."""
    originals = {}
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        kept = [each for each in document["Statement"] if action not in each["Action"]]
        if len(kept) < len(document["Statement"]):
            originals[name] = document
            put(iam, role, name, {**document, "Statement": kept})
    assert originals, f"{role} has no {action}"
    try:
        yield
    finally:
        for name, document in originals.items():
            put(iam, role, name, document)


def put(iam: Any, role: str, name: str, document: dict[str, Any]) -> None:
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def test_an_alarm_of_another_stack_may_not_be_read(client: Client, update: Update) -> None:
    cloudwatch = client("cloudwatch")
    other = f"other-{uuid.uuid4().hex[:8]}"
    cloudwatch.put_metric_alarm(AlarmName=other, **RULE)
    try:
        assert f"alarm:{other} because no identity-based policy" in update(other)["FailureReason"]
    finally:
        cloudwatch.delete_alarms(AlarmNames=[other])


def test_a_composite_alarm_needs_the_permission_for_all_alarms(
    client: Client, update: Update
) -> None:
    cloudwatch = client("cloudwatch")
    name = f"{PREFIX}-composite-{uuid.uuid4().hex[:8]}"
    cloudwatch.put_metric_alarm(AlarmName=f"{name}-part", **RULE)
    cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule=f'ALARM("{name}-part")')
    try:
        assert f"{ACTION} on resource: * because" in update(name)["FailureReason"]
    finally:
        cloudwatch.delete_alarms(AlarmNames=[name])
        cloudwatch.delete_alarms(AlarmNames=[f"{name}-part"])


def test_an_alarm_that_does_not_exist_fails_the_update(update: Update) -> None:
    assert "there is no such alarm" in update(f"{PREFIX}-absent")["FailureReason"]


def test_a_role_without_the_permission_fails_the_update(
    client: Client,
    deployment: LocalDeployment,
    stack_resources: Resources,
    update: Update,
) -> None:
    alarm = stack_resources("whippet-local-serving", "AWS::CloudWatch::Alarm")[0]
    role = execution_role(client, stack_resources)
    with without_action(client("iam"), role, ACTION):
        failed = update(alarm)
    reason = failed["FailureReason"]
    assert f"The rollback alarm {alarm} cannot be read" in reason
    assert f"role/{role} has the permission {ACTION}" in reason
    assert f"not authorized to perform: {ACTION} on resource: arn:aws:cloudwatch:" in reason
    assert classify(deployment, GOOD)[0] == 200
    assert "FailureReason" not in update(alarm)
