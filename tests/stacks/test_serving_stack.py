import dataclasses
import hashlib
import json
import re
import shutil
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from aws_cdk import App

from stacks.application import add_stacks
from stacks.components.serving.model_artifact import load_model_artifact
from stacks.errors import SettingsError
from stacks.inputs import Inputs
from stacks.settings.capacity_schedule import CapacitySchedule
from stacks.settings.schema import SettingsSchema
from stacks.settings.serverless_schedule import ServerlessConcurrencySchedule
from stacks.settings.serving import ServingSettings
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import (
    FEATURE_FLAGS,
    PREBUILT_IMAGE,
    Assembly,
    Json,
    Resource,
    allowed_actions,
    flatten,
    statement_allowing,
    statements_for_role,
    statements_of,
    synthesize,
    with_serving,
)
from tests.stacks.conftest import Synthesize
from tests.stacks.fake_inputs import BFLOAT16, IDENTITY, write_model

ALARM = "AWS::CloudWatch::Alarm"
CONFIGURATION = "AWS::SageMaker::EndpointConfig"
ENDPOINT = "AWS::SageMaker::Endpoint"
MODEL = "AWS::SageMaker::Model"
TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"


def execution_role(assembly: Assembly) -> Resource:
    return assembly.resource("serving", "AWS::IAM::Role")


def statements(assembly: Assembly) -> list[Json]:
    return statements_for_role(assembly, "serving", execution_role(assembly).logical_id)


def variant(assembly: Assembly) -> Json:
    (only,) = assembly.resource("serving", CONFIGURATION).properties["ProductionVariants"]
    assert isinstance(only, dict)
    return only


def test_model_and_configuration_have_no_names_because_every_property_replaces_them(
    assembly: Assembly,
) -> None:
    assert "ModelName" not in assembly.resource("serving", MODEL).properties
    assert "EndpointConfigName" not in assembly.resource("serving", CONFIGURATION).properties


@pytest.mark.parametrize("type_", [MODEL, CONFIGURATION])
def test_resources_in_use_after_a_silent_rollback_are_retained(
    assembly: Assembly, type_: str
) -> None:
    # Else the update after that ends in "Could not find endpoint configuration".
    body = assembly.resource("serving", type_).body
    assert body["UpdateReplacePolicy"] == "Retain"
    assert body["DeletionPolicy"] == "Delete"


def test_the_model_waits_for_its_roles_permissions(assembly: Assembly) -> None:
    model = assembly.resource("serving", MODEL)
    policies = assembly.resources("serving", "AWS::IAM::Policy")
    reading = [
        each.logical_id
        for each in policies
        if "s3:GetObject" in allowed_actions(statements_of(each))
    ]
    assert model.body["DependsOn"] == reading
    assert flatten(model.properties["ExecutionRoleArn"]) == (
        f"<{execution_role(assembly).logical_id}.Arn>"
    )


def test_the_container_can_reach_nothing(assembly: Assembly) -> None:
    assert assembly.resource("serving", MODEL).properties["EnableNetworkIsolation"] is True


def test_the_endpoint_has_a_literal_name_and_the_stages_configuration(assembly: Assembly) -> None:
    endpoint = assembly.resource("serving", ENDPOINT)
    configuration = assembly.resource("serving", CONFIGURATION)
    assert endpoint.properties["EndpointName"] == assembly.settings.name
    assert flatten(endpoint.properties["EndpointConfigName"]) == (
        f"<{configuration.logical_id}.EndpointConfigName>"
    )


def test_the_variant_follows_the_settings(assembly: Assembly) -> None:
    serving = assembly.settings.serving
    model = assembly.resource("serving", MODEL)
    assert variant(assembly) == {
        "VariantName": "primary",
        "ModelName": {"Fn::GetAtt": [model.logical_id, "ModelName"]},
        "InstanceType": serving.instance_type,
        "InitialInstanceCount": serving.min_instance_count,
        "InitialVariantWeight": 1,
        "ContainerStartupHealthCheckTimeoutInSeconds": serving.container_startup_timeout_seconds,
    }


def test_an_update_keeps_the_fleet_that_scaling_has_grown(assembly: Assembly) -> None:
    serving = assembly.settings.serving
    assert (serving.min_instance_count, serving.max_instance_count) == (1, 3)
    properties = assembly.resource("serving", ENDPOINT).properties
    assert properties["RetainAllVariantProperties"] is True
    # DataCaptureConfig is documented as not supported here.
    assert properties["ExcludeRetainedVariantProperties"] == [
        {"VariantPropertyType": "DesiredWeight"}
    ]
    # True would reuse the last deployment's configuration instead of the template's.
    assert "RetainDeploymentConfig" not in properties


def test_an_update_of_a_fixed_fleet_takes_the_new_size(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    # Retained, 2..2 changed to 4..4 would report success and stay at 2.
    fixed = with_serving(dev_settings, min_instance_count=2, max_instance_count=2)
    assembly = synthesize_with(fixed)
    properties = assembly.resource("serving", ENDPOINT).properties
    assert properties["RetainAllVariantProperties"] is False
    assert "ExcludeRetainedVariantProperties" not in properties
    assert variant(assembly)["InitialInstanceCount"] == 2


def test_sagemaker_does_not_collect_metrics_from_the_container(assembly: Assembly) -> None:
    # It would by default, at GET /metrics, which the container does not have.
    properties = assembly.resource("serving", CONFIGURATION).properties
    assert properties["MetricsConfig"] == {"EnableDetailedObservability": False}


def update_policy(assembly: Assembly) -> Json:
    deployment = assembly.resource("serving", ENDPOINT).properties["DeploymentConfig"]
    policy: Json = deployment["BlueGreenUpdatePolicy"]
    return policy


def test_an_update_goes_all_at_once_and_bakes(assembly: Assembly) -> None:
    # A canary takes at most half of the instances: it needs two, and the minimum is one.
    policy = update_policy(assembly)
    serving = assembly.settings.serving
    assert policy["TrafficRoutingConfiguration"] == {
        "Type": "ALL_AT_ONCE",
        "WaitIntervalInSeconds": 0,
    }
    assert policy["TerminationWaitInSeconds"] == serving.rollback_baking_seconds
    waits = serving.rollback_baking_seconds + serving.container_startup_timeout_seconds
    left = policy["MaximumExecutionTimeoutInSeconds"] - waits
    assert left >= 1800, "time to start instances and to pull the image and the model"
    assert policy["MaximumExecutionTimeoutInSeconds"] <= 28_800


@pytest.mark.parametrize(
    ("changes", "size", "waits"),
    [
        ({"rollout": "canary"}, {"CanarySize": 10}, 300),
        (
            {"rollout": "canary", "rollout_canary_percent": 33, "rollout_wait_seconds": 900},
            {"CanarySize": 33},
            900,
        ),
        ({"rollout": "linear"}, {"LinearStepSize": 25}, 3 * 300),
        (
            {"rollout": "linear", "rollout_linear_step_percent": 30, "rollout_wait_seconds": 600},
            {"LinearStepSize": 30},
            3 * 600,
        ),
        ({"rollout": "linear", "rollout_wait_seconds": 0}, {"LinearStepSize": 25}, 0),
    ],
)
def test_an_update_shifts_the_traffic_in_steps(
    dev_settings: StageSettings,
    synthesize_with: Synthesize,
    changes: Json,
    size: dict[str, int],
    waits: int,
) -> None:
    settings = with_serving(dev_settings, min_instance_count=2, **changes)
    policy = update_policy(synthesize_with(settings))
    routing = policy["TrafficRoutingConfiguration"]
    ((member, percent),) = size.items()
    assert routing == {
        "Type": changes["rollout"].upper(),
        member: {"Type": "CAPACITY_PERCENT", "Value": percent},
        "WaitIntervalInSeconds": changes.get("rollout_wait_seconds", 300),
    }
    serving = settings.serving
    assert policy["TerminationWaitInSeconds"] == serving.rollback_baking_seconds == 300
    left = policy["MaximumExecutionTimeoutInSeconds"] - waits - 300
    assert left == serving.container_startup_timeout_seconds + 1800


def metrics_of(alarm: Resource) -> dict[str, Json]:
    """Return the metrics of an alarm by id, in the form of a single metric."""
    if "Metrics" not in alarm.properties:
        return {"": {**alarm.properties, "Stat": alarm.properties["Statistic"]}}
    return {
        each["Id"]: {**each["MetricStat"], **each["MetricStat"]["Metric"]}
        for each in alarm.properties["Metrics"]
        if "MetricStat" in each
    }


def rollback_alarm(assembly: Assembly, name: str) -> Resource:
    (found,) = (
        each
        for each in assembly.resources("serving", ALARM)
        if {metric["MetricName"] for metric in metrics_of(each).values()} == {name}
    )
    return found


def test_rollback_alarms_see_the_new_fleet_alone(assembly: Assembly) -> None:
    alarms = assembly.resources("serving", ALARM)
    configuration = assembly.resource("serving", CONFIGURATION).logical_id
    metrics = [metric for alarm in alarms for metric in metrics_of(alarm).values()]
    # InvocationModelErrors counts callers' 4XX too: they would roll a good deployment back.
    assert {each["MetricName"] for each in metrics} == {"Invocation5XXErrors", "ModelLatency"}
    for metric in metrics:
        assert metric["Namespace"] == "AWS/SageMaker"
        assert metric["Period"] == 60
        dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
        assert dimensions == {
            "EndpointName": assembly.settings.name,
            "VariantName": "primary",
            "EndpointConfigName": {"Fn::GetAtt": [configuration, "EndpointConfigName"]},
        }


def test_two_bad_minutes_of_three_roll_back_and_minutes_without_data_are_good(
    assembly: Assembly,
) -> None:
    alarms = assembly.resources("serving", ALARM)
    assert len(alarms) == 2
    for alarm in alarms:
        properties = alarm.properties
        assert (properties["DatapointsToAlarm"], properties["EvaluationPeriods"]) == (2, 3)
        assert properties["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        # A new fleet has no data until its first request.
        assert properties["TreatMissingData"] == "notBreaching"


def test_errors_are_counted_by_the_minute(assembly: Assembly) -> None:
    alarm = rollback_alarm(assembly, "Invocation5XXErrors")
    assert metrics_of(alarm)[""]["Stat"] == "Sum"
    expected = assembly.settings.serving.rollback_5xx_errors_per_minute
    assert alarm.properties["Threshold"] == expected


def configuration_of(assembly: Assembly) -> list[Json]:
    """Return logical ids and properties that a change of replaces model or configuration."""
    found = []
    for type_ in (MODEL, CONFIGURATION):
        resource = assembly.resource("serving", type_)
        properties = {k: v for k, v in resource.properties.items() if k != "Tags"}
        found.append({"LogicalId": resource.logical_id, **properties})
    return found


def updates_of(assembly: Assembly) -> Json:
    """Return what the endpoint's properties say of its updates."""
    properties = assembly.resource("serving", ENDPOINT).properties
    return {name: value for name, value in properties.items() if name != "Tags"}


def rollback_alarm_ids(assembly: Assembly) -> set[str]:
    alarms = assembly.resources("serving", ALARM)
    # With a name, CloudFormation could not create the new alarm beside the old one.
    assert not any("AlarmName" in alarm.properties for alarm in alarms)
    return {alarm.logical_id for alarm in alarms}


IN_CONFIGURATION: list[Json] = [
    {"mode": "serverless"},
    {"instance_type": "ml.m5.xlarge"},
    {"instance_type": "ml.g5.xlarge"},
    {"image_uri": PREBUILT_IMAGE},
    {"precision": "fp32"},
    {"decode": "fast"},
    {"min_instance_count": 2},
    {"container_startup_timeout_seconds": 601},
    {"data_capture_percent": 1},
    # Of the endpoint alone; SageMaker does not update it to the configuration that it has.
    {"max_instance_count": 1},  # no longer scales
    {"rollback_alarms_enabled": False},
    {"rollback_baking_seconds": 999},
    {"rollout": "canary"},
    {"rollout": "linear"},
]
NOT_IN_CONFIGURATION: Json = {
    "max_instance_count": 9,
    "scaling_target": "concurrent_requests",
    "target_invocations_per_instance_per_minute": 99,
    "target_concurrent_requests_per_instance": 9.0,
    "capacity_schedule": (
        CapacitySchedule(
            cron="0 7 * * ? *", time_zone="UTC", min_instance_count=2, max_instance_count=4
        ),
    ),
    "measured_capacity_per_second": 9.0,
    "measured_capacity_of": "ml.m5.large fp32",
    "scale_in_cooldown_seconds": 99,
    "scale_out_cooldown_seconds": 9,
    "rollback_5xx_errors_per_minute": 9,
    "rollback_model_latency_p99_ms": 999,
    "rollback_latency_min_requests_per_minute": 9,
    # Only of other rollouts than all at once.
    "rollout_canary_percent": 9,
    "rollout_linear_step_percent": 50,
    "rollout_wait_seconds": 999,
    # Only of the mode serverless.
    "serverless_memory_mb": 1024,
    "serverless_max_concurrency": 9,
    "serverless_provisioned_concurrency": 1,
    "serverless_provisioned_concurrency_schedule": (
        ServerlessConcurrencySchedule(
            cron="0 7 * * ? *", time_zone="UTC", provisioned_concurrency=2
        ),
    ),
    # Only of GPU types.
    "max_batch": 9,
    "max_batch_delay_ms": 9,
}


def test_every_setting_is_known_to_change_the_configuration_or_not() -> None:
    known = {name for changes in [*IN_CONFIGURATION, NOT_IN_CONFIGURATION] for name in changes}
    assert known == set(ServingSettings.model_fields)


@pytest.mark.parametrize("changes", IN_CONFIGURATION, ids=str)
def test_another_configuration_has_rollback_alarms_of_its_own(
    dev: Assembly, dev_settings: StageSettings, synthesize_with: Synthesize, changes: Json
) -> None:
    # Updated in place, an alarm that is still on would end the next update at once.
    changed = synthesize_with(with_serving(dev_settings, **changes))
    assert configuration_of(changed) != configuration_of(dev)
    assert not rollback_alarm_ids(changed) & rollback_alarm_ids(dev)


@pytest.mark.parametrize(
    ("rollout", "changes", "replaced"),
    [
        ("canary", {"rollout_canary_percent": 9}, True),
        ("canary", {"rollout_wait_seconds": 999}, True),
        ("canary", {"rollout_linear_step_percent": 50}, False),
        ("linear", {"rollout_linear_step_percent": 50}, True),
        ("linear", {"rollout_wait_seconds": 999}, True),
        ("linear", {"rollout_canary_percent": 9}, False),
    ],
)
def test_the_steps_of_an_update_are_in_the_configuration(
    dev_settings: StageSettings,
    synthesize_with: Synthesize,
    rollout: str,
    changes: Json,
    replaced: bool,
) -> None:
    before = synthesize_with(with_serving(dev_settings, rollout=rollout))
    after = synthesize_with(with_serving(dev_settings, rollout=rollout, **changes))
    assert (configuration_of(after) != configuration_of(before)) is replaced
    assert (updates_of(after) != updates_of(before)) is replaced
    assert (rollback_alarm_ids(after) != rollback_alarm_ids(before)) is replaced


def test_another_model_or_program_has_rollback_alarms_of_its_own(
    dev: Assembly, dev_settings: StageSettings, inputs: Inputs, tmp_path: Path
) -> None:
    model = load_model_artifact(write_model(tmp_path / "model", networks={"model.onnx": b"2"}))
    program = tmp_path / "program"
    shutil.copytree(inputs.model_code_directory, program)
    (program / "serve.py").write_text("pass  # changed")
    for number, changed in enumerate(
        [
            dataclasses.replace(inputs, model=model),
            dataclasses.replace(inputs, model_code_directory=program),
        ]
    ):
        assembly = synthesize(dev_settings, changed, tmp_path / f"assembly-{number}")
        assert configuration_of(assembly) != configuration_of(dev)
        assert not rollback_alarm_ids(assembly) & rollback_alarm_ids(dev)


def test_what_leaves_the_configuration_leaves_the_rollback_alarms(
    dev: Assembly, dev_settings: StageSettings, inputs: Inputs, tmp_path: Path
) -> None:
    others = with_serving(dev_settings, **NOT_IN_CONFIGURATION)
    others = with_changes(others, log_retention_days=5, termination_protection=True)
    # Its name and identity are tags: a change of tags replaces nothing.
    model = dataclasses.replace(inputs.model, name="renamed", identity="0" * 64)
    renamed = dataclasses.replace(inputs, model=model)
    changed = synthesize(others, renamed, tmp_path / "assembly")
    assert configuration_of(changed) == configuration_of(dev)
    assert rollback_alarm_ids(changed) == rollback_alarm_ids(dev)
    assert updates_of(changed) == updates_of(dev)


def test_the_endpoint_is_rolled_back_by_every_rollback_alarm(assembly: Assembly) -> None:
    deployment = assembly.resource("serving", ENDPOINT).properties["DeploymentConfig"]
    named = deployment["AutoRollbackConfiguration"]["Alarms"]
    alarms = assembly.resources("serving", ALARM)
    assert {each["AlarmName"]["Ref"] for each in named} == {each.logical_id for each in alarms}


def test_the_latency_of_a_rollback_alarm_is_in_microseconds(assembly: Assembly) -> None:
    alarm = rollback_alarm(assembly, "ModelLatency")
    assert assembly.settings.serving.rollback_model_latency_p99_ms == 2000
    assert alarm.properties["Threshold"] == 2_000_000


@pytest.mark.parametrize("min_requests", [100, 7])
def test_the_latency_of_few_requests_is_no_percentile(
    dev_settings: StageSettings, synthesize_with: Synthesize, min_requests: int
) -> None:
    settings = with_serving(dev_settings, rollback_latency_min_requests_per_minute=min_requests)
    alarm = rollback_alarm(synthesize_with(settings), "ModelLatency")
    stats = {id_: metric["Stat"] for id_, metric in metrics_of(alarm).items()}
    assert stats == {"requests": "SampleCount", "latency": "p99"}
    returned = [each for each in alarm.properties["Metrics"] if each.get("ReturnData", True)]
    assert [each["Expression"] for each in returned] == [
        f"IF(requests >= {min_requests}, latency, 0)"
    ]


def test_the_role_may_read_the_rollback_alarms_of_every_configuration(
    dev_settings: StageSettings, inputs: Inputs, tmp_path: Path
) -> None:
    """A policy that changes seconds before the update may not be in effect in time."""
    settings = with_changes(dev_settings, stage="a234567890123456")
    resources = []
    for digit in "12":
        model = dataclasses.replace(inputs.model, sha256=digit * 64)
        changed = dataclasses.replace(inputs, model=model)
        assembly = synthesize(settings, changed, tmp_path / digit)
        statement = statement_allowing(statements(assembly), "cloudwatch:DescribeAlarms")
        (allowed,) = statement["Resource"]
        resources.append(flatten(allowed))
        names = [f"whippet-{settings.stage}-serving-{id_}" for id_ in rollback_alarm_ids(assembly)]
        assert len(names) == 2
        for name in names:
            arn = f":cloudwatch:<AWS::Region>:<AWS::AccountId>:alarm:{name}-GENERATED"
            assert fnmatchcase(arn, resources[-1].removeprefix("arn:<AWS::Partition>"))
            assert len(name) + len("-123456789012") <= 255, "CloudFormation would shorten it"
        # The model waits for it, and the endpoint for the model.
        (policy,) = (
            each.logical_id
            for each in assembly.resources("serving", "AWS::IAM::Policy")
            if "cloudwatch:DescribeAlarms" in allowed_actions(statements_of(each))
        )
        assert policy in assembly.resource("serving", MODEL).body["DependsOn"]
    assert resources[0] == resources[1]
    assert resources[0].endswith("serving-RollbackAlarms*")


@pytest.mark.parametrize("rollout", ["all_at_once", "canary", "linear"])
def test_breaking_the_glass_lets_an_update_through_a_tripped_alarm(
    dev_settings: StageSettings, synthesize_with: Synthesize, rollout: str
) -> None:
    settings = with_serving(dev_settings, rollback_alarms_enabled=False, rollout=rollout)
    assembly = synthesize_with(settings)
    deployment = assembly.resource("serving", ENDPOINT).properties["DeploymentConfig"]
    assert "AutoRollbackConfiguration" not in deployment
    assert "BlueGreenUpdatePolicy" in deployment


def test_scaling_waits_for_the_endpoint_and_names_its_variant(assembly: Assembly) -> None:
    target = assembly.resource("serving", TARGET).properties
    endpoint = assembly.resource("serving", ENDPOINT).logical_id
    # A literal name would let the target be registered before the endpoint is in service.
    assert flatten(target["ResourceId"]) == f"endpoint/<{endpoint}.EndpointName>/variant/primary"
    assert target["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
    assert target["ServiceNamespace"] == "sagemaker"
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 3)
    assert "RoleARN" not in target  # the service-linked role


def test_scaling_tracks_invocations_per_instance_and_minute(assembly: Assembly) -> None:
    policy = assembly.resource("serving", "AWS::ApplicationAutoScaling::ScalingPolicy").properties
    assert policy["PolicyType"] == "TargetTrackingScaling"
    assert policy["ScalingTargetId"] == {"Ref": assembly.resource("serving", TARGET).logical_id}
    assert policy["TargetTrackingScalingPolicyConfiguration"] == {
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
        },
        "ScaleInCooldown": 30,
        "ScaleOutCooldown": 30,
        "TargetValue": assembly.settings.serving.target_invocations_per_instance_per_minute,
    }


def test_each_direction_of_scaling_has_its_own_cooldown(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    settings = with_serving(
        dev_settings, scale_in_cooldown_seconds=300, scale_out_cooldown_seconds=60
    )
    policy = synthesize_with(settings).resource(
        "serving", "AWS::ApplicationAutoScaling::ScalingPolicy"
    )
    tracking = policy.properties["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["ScaleInCooldown"] == 300
    assert tracking["ScaleOutCooldown"] == 60


def test_scaling_tracks_concurrent_requests_where_the_stage_says_so(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    settings = with_serving(
        dev_settings,
        scaling_target="concurrent_requests",
        target_concurrent_requests_per_instance=7.0,
    )
    policy = synthesize_with(settings).resource(
        "serving", "AWS::ApplicationAutoScaling::ScalingPolicy"
    )
    # With the name of the other policy CloudFormation would keep it until the new one is there.
    assert policy.properties["PolicyName"] == "concurrent-requests-per-instance"
    tracking = policy.properties["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 7
    assert tracking["PredefinedMetricSpecification"] == {
        "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    }


def test_the_bounds_of_the_fleet_follow_the_clock_where_it_is_set(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    entries = [
        CapacitySchedule(
            cron=cron, time_zone="Europe/Berlin", min_instance_count=minimum,
            max_instance_count=maximum,
        )
        for cron, minimum, maximum in (("0 7 ? * MON-FRI *", 2, 9), ("0 19 * * ? *", 1, 2))
    ]  # fmt: skip
    assembly = synthesize_with(with_serving(dev_settings, capacity_schedule=tuple(entries)))
    target = assembly.resource("serving", TARGET).properties
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 3)
    assert target["ScheduledActions"] == [
        {
            "ScheduledActionName": name, "Schedule": schedule, "Timezone": "Europe/Berlin",
            "ScalableTargetAction": {"MinCapacity": minimum, "MaxCapacity": maximum},
        }
        for name, schedule, minimum, maximum in (
            ("capacity-1", "cron(0 7 ? * MON-FRI *)", 2, 9),
            ("capacity-2", "cron(0 19 * * ? *)", 1, 2),
        )
    ]  # fmt: skip


def test_a_fleet_of_one_size_is_not_registered_for_scaling(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    fixed = with_serving(
        dev_settings,
        instance_type="ml.t2.medium",
        min_instance_count=2,
        max_instance_count=2,
    )
    assembly = synthesize_with(fixed)
    assert not assembly.resources("serving", TARGET)
    assert variant(assembly)["InitialInstanceCount"] == 2


def test_only_sagemaker_of_this_account_may_assume_the_role(assembly: Assembly) -> None:
    (statement,) = execution_role(assembly).properties["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }


def test_the_role_may_do_nothing_else(assembly: Assembly) -> None:
    assert allowed_actions(statements(assembly)) == {
        "s3:GetObject",
        "s3:ListBucket",
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:GetDownloadUrlForLayer",
        "ecr:BatchGetImage",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
        "cloudwatch:PutMetricData",
        "cloudwatch:DescribeAlarms",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:CreateGrant",
    }
    (managed,) = execution_role(assembly).properties["ManagedPolicyArns"]
    assert "BucketsReadModels" in managed["Fn::GetStackOutput"]["OutputName"]


def model_key(assembly: Assembly) -> str:
    """Return where the model's archive is, as `<bucket>/<key>`."""
    url = flatten(
        assembly.resource("serving", MODEL).properties["PrimaryContainer"]["ModelDataUrl"]
    )
    return url.removeprefix("s3://")


def test_the_role_reads_the_models_of_its_stage_and_not_the_bootstrap_bucket(
    assembly: Assembly, dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    # An earlier one too: the endpoint may be put back to it, and an old fleet may grow.
    pattern, promoted = (
        flatten(resource)
        for statement in statements(assembly)
        if "s3:GetObject" in statement["Action"]
        for resource in statement["Resource"]
    )
    assert re.fullmatch(r"<BucketsModels\w+\.Arn>/serving/\*", promoted)
    own = model_key(assembly)
    bucket, _, key = own.partition("/")
    name = assembly.settings.name
    assert re.fullmatch(rf"{name}/[0-9a-f]{{64}}\.gz", key)
    start = "arn:<AWS::Partition>:s3:::"
    for each in (key, f"{name}/{'0f' * 32}.gz"):
        assert fnmatchcase(f"{start}{bucket}/{each}", pattern)
    renamed = with_changes(dev_settings, stage=f"{assembly.settings.stage}2")
    others = model_key(synthesize_with(renamed))
    assert others.startswith(f"{bucket}/{name}2/")
    for each in (others, f"{bucket}/{'0f' * 32}.gz", f"{bucket}/{name}/{'0f' * 32}.json"):
        assert not fnmatchcase(f"{start}{each}", pattern)
    assert [
        each["Condition"]["StringLike"]["s3:prefix"]
        for each in statements(assembly)
        if "s3:ListBucket" in each["Action"]
    ] == [f"{name}/*.gz", "serving/*"]


def test_the_role_reads_the_bucket_of_another_bootstrap_where_the_app_names_one(
    inputs: Inputs, dev_settings: StageSettings, tmp_path: Path
) -> None:
    context = {**FEATURE_FLAGS, "@aws-cdk/core:bootstrapQualifier": "team1"}
    app = App(context=context, analytics_reporting=False, outdir=str(tmp_path))
    add_stacks(app, settings=dev_settings, inputs=inputs)
    app.synth()
    assembly = Assembly(tmp_path, dev_settings)
    bucket = model_key(assembly).partition("/")[0]
    assert "cdk-team1-assets-" in bucket
    (reading,) = (
        flatten(resource)
        for statement in statements(assembly)
        if "s3:GetObject" in statement["Action"]
        for resource in statement["Resource"]
        if "/serving/" not in flatten(resource)
    )
    assert reading == f"arn:<AWS::Partition>:s3:::{bucket}/whippet-dev/*.gz"


def test_the_role_pulls_from_one_repository(assembly: Assembly) -> None:
    (repository,) = statement_allowing(statements(assembly), "ecr:BatchGetImage")["Resource"]
    name = "cdk-hnb659fds-container-assets-<AWS::AccountId>-<AWS::Region>"
    assert flatten(repository).endswith(f":repository/{name}")
    image = assembly.resource("serving", MODEL).properties["PrimaryContainer"]["Image"]
    assert f"/{name}:" in flatten(image)


def test_the_role_writes_metrics_of_sagemaker_alone(assembly: Assembly) -> None:
    statement = statement_allowing(statements(assembly), "cloudwatch:PutMetricData")
    assert statement["Condition"] == {
        "StringLike": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/*"]}
    }


def test_the_role_writes_the_logs_of_its_endpoint(assembly: Assembly) -> None:
    (log_group,) = statement_allowing(statements(assembly), "logs:PutLogEvents")["Resource"]
    assert flatten(log_group).endswith(
        f":log-group:/aws/sagemaker/Endpoints/{assembly.settings.name}:*"
    )


def test_volumes_are_encrypted_and_the_role_may_have_it_done(assembly: Assembly) -> None:
    key = assembly.resource("serving", CONFIGURATION).properties["KmsKeyId"]
    grant = statement_allowing(statements(assembly), "kms:CreateGrant")
    assert grant["Resource"] == [key]
    assert grant["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}


def container(assembly: Assembly) -> Json:
    found = assembly.resource("serving", MODEL).properties["PrimaryContainer"]
    assert isinstance(found, dict)
    return found


def test_the_model_server_is_told_what_the_settings_say(
    dev_settings: StageSettings, inputs: Inputs, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_serving(dev_settings, precision="fp32", decode="fast"))
    assert container(assembly)["Environment"] == {
        "WHIPPET_ENGINE": "openvino",
        "WHIPPET_PRECISION": "fp32",
        "WHIPPET_MODEL_VERSION": inputs.model.version,
        "WHIPPET_DECODE": "fast",
        "WHIPPET_DEADLINE_MS": "3000",
        "WHIPPET_ENDPOINT_UPDATES": "baking_seconds=300,rollback_alarms=True,scales=True",
    }


def test_on_a_gpu_it_makes_batches_of_fp32(
    dev_settings: StageSettings, inputs: Inputs, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(
        with_serving(dev_settings, instance_type="ml.g5.xlarge", max_batch=24, max_batch_delay_ms=7)
    )
    assert container(assembly)["Environment"] == {
        "WHIPPET_ENGINE": "onnxruntime-cuda",
        "WHIPPET_PRECISION": "fp32",
        "WHIPPET_MODEL_VERSION": inputs.model.version,
        "WHIPPET_DECODE": "exact",
        "WHIPPET_DEADLINE_MS": "3000",
        "WHIPPET_MAX_BATCH": "24",
        "WHIPPET_MAX_BATCH_DELAY_MS": "7",
        "WHIPPET_ENDPOINT_UPDATES": "baking_seconds=300,rollback_alarms=True,scales=True",
    }


def test_a_gpu_gets_a_driver_that_cuda_12_runs_on(
    dev_settings: StageSettings, synthesize_with: Synthesize, dev: Assembly
) -> None:
    # ml.g4dn and ml.g5 have NVIDIA's driver 470 unless told otherwise, and CUDA 12 needs 525.
    assembly = synthesize_with(with_serving(dev_settings, instance_type="ml.g4dn.xlarge"))
    assert variant(assembly)["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"
    assert "InferenceAmiVersion" not in variant(dev)


def synthesize_int8(
    settings: StageSettings, inputs: Inputs, tmp_path: Path, networks: dict[str, bytes]
) -> Assembly:
    model = load_model_artifact(write_model(tmp_path / "model", networks=networks))
    changed = dataclasses.replace(inputs, model=model)
    return synthesize(with_serving(settings, precision="int8"), changed, tmp_path / "out")


def test_int8_is_served_where_the_model_has_it(
    dev_settings: StageSettings, inputs: Inputs, tmp_path: Path
) -> None:
    networks = {"model.onnx": b"fp32", "model.int8.onnx": b"int8"}
    assembly = synthesize_int8(dev_settings, inputs, tmp_path, networks)
    assert container(assembly)["Environment"]["WHIPPET_PRECISION"] == "int8"


def test_int8_is_refused_where_the_model_has_none(
    dev_settings: StageSettings, inputs: Inputs, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as raised:
        synthesize_int8(dev_settings, inputs, tmp_path, {"model.onnx": b"fp32"})
    message = str(raised.value)
    assert "config/dev.toml: serving.precision = 'int8': the model digits-resnet" in message
    assert "has no model.int8.onnx" in message
    assert "`model_code/build.py --quantize`" in message


FP16_NETWORKS = {"model.onnx": b"fp32", "model.int8.onnx": b"int8", "model.fp16.onnx": b"fp16"}


@pytest.mark.parametrize(
    ("precision", "served"), [("auto", "fp16"), ("fp16", "fp16"), ("fp32", "fp32")]
)
def test_a_gpu_serves_fp16_where_the_model_has_it(
    dev_settings: StageSettings, inputs: Inputs, tmp_path: Path, precision: str, served: str
) -> None:
    model = load_model_artifact(write_model(tmp_path / "model", networks=FP16_NETWORKS))
    changed = dataclasses.replace(inputs, model=model)
    settings = with_serving(dev_settings, instance_type="ml.g5.xlarge", precision=precision)
    assembly = synthesize(settings, changed, tmp_path / "out")
    assert container(assembly)["Environment"]["WHIPPET_PRECISION"] == served


def test_fp16_is_refused_where_the_model_has_none(
    dev_settings: StageSettings, inputs: Inputs, tmp_path: Path
) -> None:
    settings = with_serving(dev_settings, instance_type="ml.g5.xlarge", precision="fp16")
    with pytest.raises(
        SettingsError, match=r"has no model\.fp16\.onnx.*build\.py --half-precision"
    ):
        synthesize(settings, inputs, tmp_path / "out")


def test_bf16_is_served_where_the_model_allows_it(
    dev_settings: StageSettings, inputs: Inputs, tmp_path: Path
) -> None:
    model = load_model_artifact(write_model(tmp_path / "model", bfloat16=BFLOAT16))
    changed = dataclasses.replace(inputs, model=model)
    settings = with_serving(dev_settings, instance_type="ml.m7i.large", precision="bf16")
    assembly = synthesize(settings, changed, tmp_path / "out")
    assert container(assembly)["Environment"]["WHIPPET_PRECISION"] == "bf16"


@pytest.mark.parametrize("record", [None, BFLOAT16 | {"accepted": False}])
def test_bf16_is_refused_where_the_model_does_not_allow_it(
    dev_settings: StageSettings, inputs: Inputs, tmp_path: Path, record: dict[str, object] | None
) -> None:
    model = load_model_artifact(write_model(tmp_path / "model", bfloat16=record))
    settings = with_serving(dev_settings, instance_type="ml.m7i.large", precision="bf16")
    with pytest.raises(SettingsError, match=r"does not allow bf16.*build\.py --bf16 --calibration"):
        synthesize(settings, dataclasses.replace(inputs, model=model), tmp_path / "out")


def test_an_instance_with_its_own_disk_gets_no_volume_key(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_serving(dev_settings, instance_type="ml.g4dn.xlarge"))
    assert "KmsKeyId" not in assembly.resource("serving", CONFIGURATION).properties


def test_a_bootstrap_key_may_be_used_to_read_the_artifact(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    arn = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
    assembly = synthesize_with(with_changes(dev_settings, asset_key_arn=arn))
    granted = [each for each in statements(assembly) if arn in each["Resource"]]
    assert [each["Action"] for each in granted] == [["kms:Decrypt"]]


def test_nothing_is_captured_by_default(assembly: Assembly) -> None:
    assert "DataCaptureConfig" not in assembly.resource("serving", CONFIGURATION).properties
    assert "s3:PutObject" not in allowed_actions(statements(assembly))


def test_capture_writes_encrypted_to_one_prefix(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_serving(dev_settings, data_capture_percent=20))
    capture = assembly.resource("serving", CONFIGURATION).properties["DataCaptureConfig"]
    assert capture["EnableCapture"] is True
    assert capture["InitialSamplingPercentage"] == 20
    assert {each["CaptureMode"] for each in capture["CaptureOptions"]} == {"Input", "Output"}
    assert flatten(capture["DestinationS3Uri"]).endswith("/endpoint")
    assert "KmsKeyId" in capture
    (objects,) = statement_allowing(statements(assembly), "s3:PutObject")["Resource"]
    assert flatten(objects).startswith("<BucketsCaptures")
    assert flatten(objects).endswith("/endpoint/*")
    assert "kms:GenerateDataKey" in allowed_actions(statements(assembly))


def test_no_image_is_called_latest(assembly: Assembly) -> None:
    assert ":latest" not in json.dumps(assembly.templates())


def test_two_archives_of_one_identity_are_two_models(
    dev_settings: StageSettings, inputs: Inputs, tmp_path: Path
) -> None:
    deployed = {}
    for name, network in {"one": b"1", "same": b"1", "other": b"2"}.items():
        model = load_model_artifact(write_model(tmp_path / name, networks={"model.onnx": network}))
        changed = dataclasses.replace(inputs, model=model)
        assembly = synthesize(dev_settings, changed, tmp_path / f"{name}-out")
        assert model.identity == IDENTITY
        assert model.archive is not None
        digest = hashlib.sha256(model.archive.read_bytes()).hexdigest()
        url = flatten(container(assembly)["ModelDataUrl"])
        # CDK hashes once more whatever hash an asset is given.
        assert hashlib.sha256(digest.encode()).hexdigest() in url
        version = container(assembly)["Environment"]["WHIPPET_MODEL_VERSION"]
        assert version == digest[:12]
        deployed[name] = (url, version)
    assert deployed["one"] == deployed["same"]
    assert not set(deployed["one"]) & set(deployed["other"])


def test_the_model_is_tagged_with_name_identity_and_sha256(
    assembly: Assembly, inputs: Inputs
) -> None:
    tags = assembly.resource("serving", MODEL).properties["Tags"]
    assert {"Key": "whippet:model-name", "Value": "digits-resnet"} in tags
    assert {"Key": "whippet:model-identity", "Value": IDENTITY} in tags
    assert {"Key": "whippet:model-sha256", "Value": inputs.model.sha256} in tags


def test_bounds_of_the_startup_timeout_are_sagemakers() -> None:
    schema = SettingsSchema(ServingSettings).at(("container_startup_timeout_seconds",))
    assert (schema["minimum"], schema["maximum"]) == (60, 3600)


def test_the_endpoint_writes_to_a_log_group_that_expires_and_goes_with_the_stack(
    assembly: Assembly,
) -> None:
    group = assembly.resource("serving", "AWS::Logs::LogGroup")
    assert group.logical_id == "EndpointLogGroup", "`make deploy` imports an existing one under it"
    assert group.properties["LogGroupName"] == f"/aws/sagemaker/Endpoints/{assembly.settings.name}"
    assert group.properties["RetentionInDays"] == assembly.settings.log_retention_days
    assert group.body["DeletionPolicy"] == "Delete"
    # Otherwise SageMaker creates it, and the creation of this one fails.
    assert group.logical_id in assembly.resource("serving", ENDPOINT).body["DependsOn"]


def test_no_template_has_the_log_group_that_all_training_jobs_of_the_account_share(
    assembly: Assembly,
) -> None:
    groups = assembly.everywhere("AWS::Logs::LogGroup")
    names = [json.dumps(each.properties.get("LogGroupName")) for each in groups]
    assert names
    assert not [name for name in names if "TrainingJobs" in name]
