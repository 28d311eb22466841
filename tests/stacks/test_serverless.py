"""The templates of a stage whose endpoint is serverless."""

import json
from typing import Any

import pytest

from classifier_proxy.settings import load_settings
from stacks.settings.serverless_schedule import ServerlessConcurrencySchedule
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import (
    Assembly,
    allowed_actions,
    flatten,
    statement_allowing,
    statements_for_role,
    walk,
    with_serving,
)
from tests.stacks.conftest import Synthesize
from tests.stacks.functions import health_function, proxy_function

ENDPOINT = "AWS::SageMaker::Endpoint"
CONFIGURATION = "AWS::SageMaker::EndpointConfig"
MODEL = "AWS::SageMaker::Model"
NAME = "whippet-dev-serverless"


def serverless(settings: StageSettings, **changes: Any) -> StageSettings:
    return with_serving(settings, mode="serverless", **changes)


@pytest.fixture
def stage(dev_settings: StageSettings, synthesize_with: Synthesize) -> Assembly:
    monitoring = with_changes(dev_settings.monitoring, alarms="full", metrics="full")
    return synthesize_with(serverless(with_changes(dev_settings, monitoring=monitoring)))


@pytest.mark.parametrize(("memory", "concurrency", "warm"), [(1024, 1, 0), (6144, 200, 20)])
def test_the_variant_follows_the_settings_and_has_nothing_else(
    dev_settings: StageSettings,
    synthesize_with: Synthesize,
    memory: int,
    concurrency: int,
    warm: int,
) -> None:
    settings = serverless(
        dev_settings,
        serverless_memory_mb=memory,
        serverless_max_concurrency=concurrency,
        serverless_provisioned_concurrency=warm,
    )
    assembly = synthesize_with(settings)
    model = assembly.resource("serving", MODEL)
    wanted = {"MemorySizeInMB": memory, "MaxConcurrency": concurrency}
    if warm:
        wanted["ProvisionedConcurrency"] = warm
    configuration = assembly.resource("serving", CONFIGURATION)
    assert configuration.properties == {
        "ProductionVariants": [
            {
                "VariantName": "primary",
                "ModelName": {"Fn::GetAtt": [model.logical_id, "ModelName"]},
                "InitialVariantWeight": 1,
                "ServerlessConfig": wanted,
            }
        ]
    }


def test_what_serverless_inference_refuses_is_not_in_the_templates(stage: Assembly) -> None:
    assert "EnableNetworkIsolation" not in stage.resource("serving", MODEL).properties
    for scaling in ("ScalableTarget", "ScalingPolicy"):
        assert not stage.resources("serving", f"AWS::ApplicationAutoScaling::{scaling}")
    endpoint = stage.resource("serving", ENDPOINT).properties
    assert endpoint["RetainAllVariantProperties"] is False


def scheduled(settings: StageSettings, *entries: tuple[str, int], **changes: Any) -> StageSettings:
    schedule = tuple(
        ServerlessConcurrencySchedule(
            cron=cron, time_zone="Europe/Berlin", provisioned_concurrency=number
        )
        for cron, number in entries
    )
    return serverless(settings, serverless_provisioned_concurrency_schedule=schedule, **changes)


def test_the_warm_containers_follow_the_clock_where_it_is_set(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    entries = (("0 7 ? * MON-FRI *", 5), ("0 19 * * ? *", 1))
    settings = scheduled(dev_settings, *entries, serverless_provisioned_concurrency=2)
    assembly = synthesize_with(settings)
    target = assembly.resource("serving", "AWS::ApplicationAutoScaling::ScalableTarget")
    endpoint = assembly.resource("serving", ENDPOINT)
    found = target.properties
    # The endpoint must be in service before, and is deleted after.
    name = {"Fn::GetAtt": [endpoint.logical_id, "EndpointName"]}
    assert found["ResourceId"] == {"Fn::Join": ["", ["endpoint/", name, "/variant/primary"]]}
    assert found["ServiceNamespace"] == "sagemaker"
    assert found["ScalableDimension"] == "sagemaker:variant:DesiredProvisionedConcurrency"
    assert found["MinCapacity"] == found["MaxCapacity"] == 2
    assert found["ScheduledActions"] == [
        {
            "ScheduledActionName": f"provisioned-concurrency-{number}",
            "Schedule": f"cron({cron})",
            "Timezone": "Europe/Berlin",
            "ScalableTargetAction": {"MinCapacity": warm, "MaxCapacity": warm},
        }
        for number, (cron, warm) in enumerate(entries, start=1)
    ]
    assert target.body["Condition"] == endpoint.body["Condition"], "a paused stage has neither"


def test_an_update_shifts_the_traffic_at_once_and_is_rolled_back_by_alarms(
    stage: Assembly,
) -> None:
    deployment = stage.resource("serving", ENDPOINT).properties["DeploymentConfig"]
    routing = deployment["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert routing["Type"] == "ALL_AT_ONCE"
    alarms = {
        flatten(each["AlarmName"]) for each in deployment["AutoRollbackConfiguration"]["Alarms"]
    }
    found = stage.resources("serving", "AWS::CloudWatch::Alarm")
    assert alarms == {f"<{alarm.logical_id}>" for alarm in found}
    assert len(alarms) == 2


def test_everything_uses_the_name_of_the_serverless_endpoint(stage: Assembly) -> None:
    assert stage.resource("serving", ENDPOINT).properties["EndpointName"] == NAME
    assert stage.template("serving")["Outputs"]["EndpointName"]["Value"] == NAME
    (published,) = (
        each.properties["Value"]
        for each in stage.resources("serving", "AWS::SSM::Parameter")
        if each.properties["Name"] == "/whippet/dev/endpoint-name"
    )
    assert published == NAME
    for function in (proxy_function(stage), health_function(stage)):
        assert function.properties["Environment"]["Variables"]["ENDPOINT_NAME"] == NAME
        variables = function.properties["Environment"]["Variables"]
        assert load_settings(variables).endpoint_mode == "serverless"
        role = function.properties["Role"]["Fn::GetAtt"][0]
        statements = statements_for_role(stage, "api", role)
        for action in allowed_actions(statements):
            if action.startswith("sagemaker:"):
                (arn,) = statement_allowing(statements, action)["Resource"]
                assert flatten(arn).endswith(f":endpoint/{NAME}")


@pytest.mark.parametrize("purpose", ["serving", "monitoring"])
def test_no_metric_is_that_of_an_endpoint_with_instances(stage: Assembly, purpose: str) -> None:
    names = [
        each["Value"]
        for each in walk(stage.template(purpose))
        if isinstance(each, dict) and each.get("Name") == "EndpointName" and "Value" in each
    ]
    assert names
    assert set(names) == {NAME}
    for dashboard in stage.resources("monitoring", "AWS::CloudWatch::Dashboard"):
        body = flatten(dashboard.properties["DashboardBody"])
        assert f'"{NAME}"' in body
        assert '"EndpointName","whippet-dev"' not in body
        assert "ModelSetupTime" in body
        assert "InvocationsPerInstance" not in body


def test_the_log_group_is_that_of_the_endpoint_and_the_role_may_write_it(stage: Assembly) -> None:
    groups = [
        each.properties.get("LogGroupName")
        for each in stage.resources("serving", "AWS::Logs::LogGroup")
    ]
    assert f"/aws/sagemaker/Endpoints/{NAME}" in groups
    text = json.dumps(stage.resources("serving", "AWS::IAM::Policy")[0].properties)
    assert f"/aws/sagemaker/Endpoints/{NAME}:*" in text


def test_the_role_attaches_no_volumes_and_still_reads_encrypted_models(stage: Assembly) -> None:
    (policy,) = stage.resources("serving", "AWS::IAM::Policy")
    role = policy.properties["Roles"][0]["Ref"]
    actions = allowed_actions(statements_for_role(stage, "serving", role))
    assert "kms:CreateGrant" not in actions
    assert {"kms:Decrypt", "s3:GetObject"} <= actions


def test_a_change_of_mode_replaces_everything_of_the_endpoint(
    dev: Assembly, dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    """A new endpoint name is a replacement: the new one serves before the old one is deleted."""
    other = synthesize_with(serverless(dev_settings))
    before, after = (each.resource("serving", ENDPOINT) for each in (dev, other))
    assert before.logical_id == after.logical_id
    assert before.properties["EndpointName"] != after.properties["EndpointName"]
    ids = [
        {each.logical_id for each in assembly.resources("serving", "AWS::CloudWatch::Alarm")}
        for assembly in (dev, other)
    ]
    assert not ids[0] & ids[1], "an alarm would keep its state"


def test_the_memory_and_the_limits_change_the_configuration_and_its_alarms(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"serverless_memory_mb": 3072},
        {"serverless_max_concurrency": 9},
        {"serverless_provisioned_concurrency": 1},
    ]
    found = set()
    for change in changes:
        assembly = synthesize_with(serverless(dev_settings, **change))
        found.add(
            tuple(
                each.logical_id for each in assembly.resources("serving", "AWS::CloudWatch::Alarm")
            )
        )
    assert len(found) == len(changes)
