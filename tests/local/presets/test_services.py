"""A stage that starts from a preset, read back from the services."""

import json
from pathlib import Path
from typing import Any

import pytest

from stacks.settings.stage import load_stage_settings
from tests.local.functions import ALIAS_NAME, proxy_function
from tests.local.presets.conftest import Client, Up
from tests.local.presets.expected import EXPECTED, INVOCATIONS, Expected
from tools.aws import stack_resources
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment, read_local_deployment


@pytest.fixture
def expected(preset: str) -> Expected:
    if _is_serverless(preset):
        pytest.skip(
            "a serverless endpoint has no fleet: its tests are tests/local/test_serverless.py"
        )
    return EXPECTED[preset]


def _is_serverless(preset: str) -> bool:
    return load_stage_settings("local", ROOT / "config", preset).serving.is_serverless


def test_a_serverless_endpoint_has_its_limits_and_no_fleet(
    preset: str, client: Client, deployment: LocalDeployment
) -> None:
    if not _is_serverless(preset):
        pytest.skip("the endpoint has instances")
    sagemaker = client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
    (variant,) = sagemaker.describe_endpoint_config(
        EndpointConfigName=endpoint["EndpointConfigName"]
    )["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    scaling = client("application-autoscaling")
    assert scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []
    cloudwatch = client("cloudwatch")
    alarms = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    (busy,) = (
        alarm
        for alarm in alarms
        if alarm.get("MetricName") == "ServerlessConcurrentExecutionsUtilization"
    )
    watched = {each["Name"]: each["Value"] for each in busy["Dimensions"]}
    assert watched["EndpointName"] == deployment.endpoint_name
    assert len(cloudwatch.list_dashboards()["DashboardEntries"]) == 1
    assert sagemaker.list_notebook_instances()["NotebookInstances"] == []


def test_what_every_preset_with_instances_has_is_expected() -> None:
    presets = {file.stem for file in (ROOT / "config" / "presets").glob("*.toml")}
    assert {each for each in presets if not _is_serverless(each)} == EXPECTED.keys()


def test_the_fleet_has_its_bounds_and_its_type(
    client: Client, deployment: LocalDeployment, expected: Expected
) -> None:
    scaling = client("application-autoscaling")
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == expected.instances
    endpoint = client("sagemaker").describe_endpoint(EndpointName=deployment.endpoint_name)
    (variant,) = endpoint["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == expected.instances[0]
    described = client("sagemaker").describe_endpoint_config(
        EndpointConfigName=endpoint["EndpointConfigName"]
    )
    (configured,) = described["ProductionVariants"]
    assert configured["InstanceType"] == expected.instance_type


def test_the_fleet_follows_its_target(client: Client, expected: Expected) -> None:
    scaling = client("application-autoscaling")
    (policy,) = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    metric = tracking["PredefinedMetricSpecification"]["PredefinedMetricType"]
    assert metric == INVOCATIONS
    if expected.target is not None:
        cooldowns = {tracking["ScaleInCooldown"], tracking["ScaleOutCooldown"]}
        assert (tracking["TargetValue"], cooldowns) == (
            expected.target,
            {expected.cooldown_seconds},
        )


def test_instances_of_the_function_are_provisioned(client: Client, expected: Expected) -> None:
    if expected.concurrency is None:
        pytest.skip("the system named no concurrency")
    found = client("lambda").get_provisioned_concurrency_config(
        FunctionName=proxy_function(client), Qualifier=ALIAS_NAME
    )
    assert found["RequestedProvisionedConcurrentExecutions"] == expected.concurrency


def test_the_function_fetches_images_of_its_hosts_alone(client: Client, expected: Expected) -> None:
    function = client("lambda").get_function_configuration(FunctionName=proxy_function(client))
    assert function["Environment"]["Variables"].get("URL_ALLOWED_HOSTS") == expected.url_hosts


def test_a_key_limits_its_callers(client: Client, deployment: LocalDeployment) -> None:
    gateway = client("apigateway")
    (plan,) = gateway.get_usage_plans()["items"]
    assert plan["throttle"]["rateLimit"] > 0
    assert plan["quota"]["limit"] > 0
    (key,) = gateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"]
    value = gateway.get_api_key(apiKey=key["id"], includeValue=True)["value"]
    assert value == deployment.api_key


def test_its_alarms_are_those_that_the_system_had(client: Client, expected: Expected) -> None:
    alarms = client("cloudwatch").describe_alarms(AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    of_api = {a["MetricName"]: a for a in alarms if a.get("Namespace") == "AWS/ApiGateway"}
    for metric, (threshold, statistic) in expected.alarms.items():
        alarm = of_api[metric]
        assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert alarm["Threshold"] == threshold
        assert alarm.get("ExtendedStatistic", alarm["Statistic"]) == statistic
        assert alarm["Period"] == 60
        assert alarm["AlarmActions"], "its topic gets a message"


def test_a_job_trains_on_its_machines(client: Client, expected: Expected) -> None:
    if expected.job is None:
        pytest.skip("the system had no training job")
    (machine,) = _ids(client, "AWS::StepFunctions::StateMachine")
    described = client("stepfunctions").describe_state_machine(stateMachineArn=machine)
    states = json.loads(described["definition"])["States"]
    jobs = [each for each in _walk(states) if isinstance(each, dict) and "ResourceConfig" in each]
    assert jobs
    count, kind = expected.job
    for job in jobs:
        assert job["ResourceConfig"]["InstanceType"] == kind
        # Of the execution's input, or else that of the preset.
        assert job["ResourceConfig"]["InstanceCount"].endswith(f" : {count} %}}")
    assert any("ProfilerConfig" in job for job in jobs) is expected.profiled


def test_a_machine_of_ec2_trains(client: Client, expected: Expected) -> None:
    if expected.machine is None:
        pytest.skip("the system had none")
    (template,) = _ids(client, "AWS::EC2::LaunchTemplate")
    versions = client("ec2").describe_launch_template_versions(LaunchTemplateId=template)
    (version,) = versions["LaunchTemplateVersions"]
    assert version["LaunchTemplateData"]["InstanceType"] == expected.machine


def test_a_notebook_is_there_if_it_is_on(client: Client, expected: Expected) -> None:
    found = client("sagemaker").list_notebook_instances()["NotebookInstances"]
    types = [each["InstanceType"] for each in found]
    assert types == ([] if expected.notebook is None else [expected.notebook])


def test_nothing_of_the_preset_before_is_left(client: Client, deployment: LocalDeployment) -> None:
    sagemaker = client("sagemaker")
    (endpoint,) = sagemaker.list_endpoints()["Endpoints"]
    assert endpoint["EndpointName"] == deployment.endpoint_name
    assert len(sagemaker.list_endpoint_configs()["EndpointConfigs"]) == 1
    models = {each["ModelName"] for each in sagemaker.list_models()["Models"]}
    stacks = client("cloudformation").describe_stacks()["Stacks"]
    assert models == {
        arn.rpartition("/")[2]
        for stack in stacks
        for type_, arn in stack_resources(client("cloudformation"), stack["StackName"])
        if type_ == "AWS::SageMaker::Model"
    }
    assert len(client("apigateway").get_rest_apis()["items"]) == 1
    assert len(client("apigateway").get_api_keys()["items"]) == 1


def test_what_is_deployed_does_not_change_to_another_preset(
    preset: str, deployment: LocalDeployment, state: Path, up: Up
) -> None:
    other = "dogs" if preset != "dogs" else "notebook"
    ended = up(other, check=False)
    assert ended.returncode == 1
    assert f"PRESET={other}: the local cloud that is running has the preset {preset}" in (
        ended.stderr
    )
    assert read_local_deployment(state / "local.json") == deployment
    assert deployment.preset == preset


def _ids(client: Client, kind: str) -> list[str]:
    resources = stack_resources(client("cloudformation"), "whippet-local-training")
    return [id_ for type_, id_ in resources if type_ == kind]


def _walk(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(each for one in inner for each in _walk(one))]
