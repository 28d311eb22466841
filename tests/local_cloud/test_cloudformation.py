"""The CloudFormation types that MiniStack lacks."""

from typing import Any

import pytest

from local_cloud.autoscaling.scaler import Scaler
from local_cloud.autoscaling.targets import ScalingService
from local_cloud.clock import Clock
from local_cloud.cloudformation import ResourceError, ResourceHandler, resource_handlers
from local_cloud.cloudwatch.breach import Breach
from local_cloud.request_parameters import request_parameters
from local_cloud.sagemaker.errors import AwsError
from tests.local_cloud.sagemaker import IMAGE, ROLE, SCOPE, StandInSageMaker

TARGET = {
    "ResourceId": "endpoint/endpoint/variant/primary",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    "ServiceNamespace": "sagemaker",
}


class StandInAlarms:
    """No alarm has an action."""

    def acting(self, _action_arn: str) -> list[Breach]:
        return []


@pytest.fixture
def scaling(sagemaker: StandInSageMaker) -> ScalingService:
    clock = Clock()
    scaler = Scaler(sagemaker.endpoints, lambda _metric, _start, _end: None, StandInAlarms(), clock)
    return ScalingService(sagemaker.endpoints, scaler, clock)


@pytest.fixture
def handlers(sagemaker: StandInSageMaker, scaling: ScalingService) -> dict[str, ResourceHandler]:
    return resource_handlers(sagemaker.service, scaling, lambda: SCOPE)


def endpoint_properties(configuration: str, **members: Any) -> dict[str, Any]:
    return {"EndpointName": "endpoint", "EndpointConfigName": configuration, **members}


def test_a_record_is_created_replaced_and_deleted(
    handlers: dict[str, ResourceHandler], sagemaker: StandInSageMaker
) -> None:
    model = handlers["AWS::SageMaker::Model"]
    properties: dict[str, Any] = {
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": IMAGE, "Environment": {"A": "1"}},
    }
    arn, attributes = model.create("ServingModel", properties)
    name = attributes["ModelName"]
    assert arn.endswith(f"/{name}".lower()) or arn.endswith(f"/{name}")
    assert name.startswith("ServingModel-")
    tagged = {**properties, "Tags": [{"Key": "a", "Value": "b"}]}
    assert model.update(arn, "ServingModel", properties, tagged)[0] == arn
    changed = {**properties, "PrimaryContainer": {"Image": IMAGE, "Environment": {"A": "2"}}}
    replaced, _ = model.update(arn, "ServingModel", properties, changed)
    assert replaced != arn
    for each in (arn, replaced, arn):  # what is deleted already is no error
        model.delete(each)
    with pytest.raises(AwsError, match="Could not find model"):
        sagemaker.call("DescribeModel", ModelName=name)


def test_an_endpoint_is_created_updated_and_deleted(
    handlers: dict[str, ResourceHandler], sagemaker: StandInSageMaker
) -> None:
    endpoint = handlers["AWS::SageMaker::Endpoint"]
    first = endpoint_properties("first-configuration")
    arn, attributes = endpoint.create("Endpoint", first)
    assert attributes == {"EndpointName": "endpoint", "EndpointArn": arn}
    second = endpoint_properties("second-configuration")
    assert endpoint.update(arn, "Endpoint", first, second)[0] == arn
    assert sagemaker.settled()["EndpointConfigName"] == "second-configuration"
    endpoint.delete(arn)
    endpoint.delete(arn)
    with pytest.raises(AwsError, match="Could not find endpoint"):
        sagemaker.settled()


def test_an_endpoint_with_another_name_is_another_endpoint(
    handlers: dict[str, ResourceHandler], sagemaker: StandInSageMaker
) -> None:
    endpoint = handlers["AWS::SageMaker::Endpoint"]
    first = endpoint_properties("first-configuration")
    arn, _ = endpoint.create("Endpoint", first)
    renamed, _ = endpoint.update(arn, "Endpoint", first, {**first, "EndpointName": "other"})
    assert renamed != arn
    assert sagemaker.settled("other")["EndpointStatus"] == "InService"


def test_an_endpoint_that_fails_is_deleted_again(
    handlers: dict[str, ResourceHandler], sagemaker: StandInSageMaker
) -> None:
    endpoint = handlers["AWS::SageMaker::Endpoint"]
    with pytest.raises(ResourceError, match="the model is damaged"):
        endpoint.create("Endpoint", endpoint_properties("damaged-configuration"))
    with pytest.raises(AwsError, match="Could not find endpoint"):
        sagemaker.settled()


def test_a_scaling_target_and_its_policy(
    handlers: dict[str, ResourceHandler], scaling: ScalingService
) -> None:
    def described(operation: str, member: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = scaling.call(
            SCOPE, operation, {"ServiceNamespace": "sagemaker"}
        )[member]
        return found

    handlers["AWS::SageMaker::Endpoint"].create(
        "Endpoint", endpoint_properties("first-configuration")
    )
    target = handlers["AWS::ApplicationAutoScaling::ScalableTarget"]
    policy = handlers["AWS::ApplicationAutoScaling::ScalingPolicy"]
    limits = {"MinCapacity": "1", "MaxCapacity": 3}  # a template may write numbers as text
    pid, attributes = target.create("Target", TARGET | limits)
    assert attributes == {"Id": pid}
    target.update(pid, "Target", TARGET | limits, TARGET | {"MinCapacity": 1, "MaxCapacity": 4})
    (found,) = described("DescribeScalableTargets", "ScalableTargets")
    assert (found["MinCapacity"], found["MaxCapacity"]) == (1, 4)
    properties = {
        "PolicyName": "target-tracking",
        "PolicyType": "TargetTrackingScaling",
        "ScalingTargetId": pid,
        "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 25},
    }
    arn, _ = policy.create("Policy", properties)
    (found,) = described("DescribeScalingPolicies", "ScalingPolicies")
    assert (found["PolicyARN"], found["ResourceId"]) == (arn, TARGET["ResourceId"])
    tracking = {"TargetTrackingScalingPolicyConfiguration": {"TargetValue": 30}}
    # The ARN stays, which alarms may name.
    assert policy.update(arn, "Policy", properties, properties | tracking)[0] == arn
    (found,) = described("DescribeScalingPolicies", "ScalingPolicies")
    assert found["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 30
    policy.delete(arn)
    assert described("DescribeScalingPolicies", "ScalingPolicies") == []
    target.delete(pid)
    target.delete(pid)
    assert described("DescribeScalableTargets", "ScalableTargets") == []


def test_a_target_has_scheduled_actions_and_a_step_scaling_policy(
    handlers: dict[str, ResourceHandler], scaling: ScalingService
) -> None:
    handlers["AWS::SageMaker::Endpoint"].create(
        "Endpoint", endpoint_properties("first-configuration")
    )

    def action(name: str, minimum: str, **members: Any) -> dict[str, Any]:
        bounds = {"MinCapacity": minimum, "MaxCapacity": "4"}
        cron = {"Schedule": "cron(0 7 * * ? *)", "Timezone": "Europe/Berlin"}
        return {
            "ScheduledActionName": name, "ScalableTargetAction": bounds, **cron, **members,
        }  # fmt: skip

    def actions() -> dict[str, Any]:
        found = scaling.call(SCOPE, "DescribeScheduledActions", {"ServiceNamespace": "sagemaker"})
        return {each["ScheduledActionName"]: each for each in found["ScheduledActions"]}

    limits: dict[str, Any] = {"MinCapacity": 1, "MaxCapacity": 3}
    target = handlers["AWS::ApplicationAutoScaling::ScalableTarget"]
    morning = action("morning", "2", StartTime="2030-01-01T07:00:00Z")
    first = TARGET | limits | {"ScheduledActions": [morning, action("noon", "3")]}
    pid, _ = target.create("Target", first)
    assert actions()["morning"]["ScalableTargetAction"] == {"MinCapacity": 2, "MaxCapacity": 4}
    assert actions()["morning"]["StartTime"] == 1_893_481_200
    second = TARGET | limits | {"ScheduledActions": [action("noon", "4"), action("night", "1")]}
    target.update(pid, "Target", first, second)
    assert set(actions()) == {"noon", "night"}
    assert actions()["noon"]["ScalableTargetAction"]["MinCapacity"] == 4
    policy = handlers["AWS::ApplicationAutoScaling::ScalingPolicy"]
    step = {"MetricIntervalLowerBound": "0", "ScalingAdjustment": "1"}
    steps = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [step]}
    policy.create("Policy", {
        "PolicyName": "steps", "PolicyType": "StepScaling", "ScalingTargetId": pid,
        "StepScalingPolicyConfiguration": steps,
    })  # fmt: skip
    # What a target had is gone with it.
    target.delete(pid)
    target.create("Target", TARGET | limits)
    assert actions() == {}
    found = scaling.call(SCOPE, "DescribeScalingPolicies", {"ServiceNamespace": "sagemaker"})
    assert found["ScalingPolicies"] == []


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ("endpoint/endpoint/variant/other", "Variant other is not found"),
        ("endpoint/none/variant/primary", "Endpoint none of account 123456789012 not found"),
        ("table/name", "Unsupported service namespace"),
    ],
)
def test_a_scaling_target_must_be_in_service(
    handlers: dict[str, ResourceHandler], resource: str, message: str
) -> None:
    handlers["AWS::SageMaker::Endpoint"].create(
        "Endpoint", endpoint_properties("first-configuration")
    )
    target = handlers["AWS::ApplicationAutoScaling::ScalableTarget"]
    with pytest.raises(AwsError, match=message):
        target.create("Target", TARGET | {"ResourceId": resource})


def test_texts_of_a_template_become_the_types_of_the_request() -> None:
    properties = {
        "EndpointConfigName": "12",
        "ProductionVariants": [
            {"InitialInstanceCount": "2", "InitialVariantWeight": "0.5", "ModelName": "3"}
        ],
        "DataCaptureConfig": {"EnableCapture": "true", "InitialSamplingPercentage": "100"},
        "KmsKeyId": None,
        "OfAnotherOperation": 1,
    }
    assert request_parameters("sagemaker", "CreateEndpointConfig", properties) == {
        "EndpointConfigName": "12",
        "ProductionVariants": [
            {"InitialInstanceCount": 2, "InitialVariantWeight": 0.5, "ModelName": "3"}
        ],
        "DataCaptureConfig": {"EnableCapture": True, "InitialSamplingPercentage": 100},
    }


def test_a_notebook_exists_with_its_configuration_until_it_is_deleted(
    handlers: dict[str, ResourceHandler], sagemaker: StandInSageMaker
) -> None:
    def statuses() -> dict[str, str]:
        found = sagemaker.service.call(SCOPE, "ListNotebookInstances", {})
        return {
            each["NotebookInstanceName"]: each["NotebookInstanceStatus"]
            for each in found["NotebookInstances"]
        }

    configuration = handlers["AWS::SageMaker::NotebookInstanceLifecycleConfig"]
    script: dict[str, Any] = {"OnStart": [{"Content": "IyEvYmluL3No"}]}
    configuration_arn, named = configuration.create("IdleStop", script)
    properties = {
        "InstanceType": "ml.t2.medium",
        "RoleArn": ROLE,
        "VolumeSizeInGB": "20",
        "LifecycleConfigName": named["NotebookInstanceLifecycleConfigName"],
    }
    notebook = handlers["AWS::SageMaker::NotebookInstance"]
    arn, attributes = notebook.create("Instance", properties)
    name = attributes["NotebookInstanceName"]
    assert statuses() == {name: "InService"}
    described = sagemaker.service.call(
        SCOPE, "DescribeNotebookInstance", {"NotebookInstanceName": name}
    )
    assert (described["InstanceType"], described["VolumeSizeInGB"]) == ("ml.t2.medium", 20)
    assert described["NotebookInstanceArn"] == arn
    assert described["NotebookInstanceLifecycleConfigName"] == properties["LifecycleConfigName"]
    assert notebook.update(arn, "Instance", properties, dict(properties))[0] == arn
    larger, _ = notebook.update(
        arn, "Instance", properties, properties | {"InstanceType": "ml.t3.large"}
    )
    assert larger != arn  # CloudFormation deletes the old one
    for each in (arn, larger, larger):
        notebook.delete(each)
    assert statuses() == {}
    configuration.delete(configuration_arn)
    configuration.delete(configuration_arn)
