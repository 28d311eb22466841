import json
from collections.abc import Iterator
from typing import Any

import pytest

from classifier_proxy.observability.telemetry import BASIC_METRICS
from stacks.components.monitoring.catalogue.definition import name_in
from stacks.inputs import Inputs
from stacks.names import METRICS_NAMESPACE
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import (
    Assembly,
    Json,
    Resource,
    flatten,
    statements_of,
    walk,
    with_every_scaling_setting,
)
from tests.stacks.conftest import Synthesize
from tests.stacks.functions import proxy_function

ALARM = "AWS::CloudWatch::Alarm"
COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
TOPIC = "AWS::SNS::Topic"


def alarms_of(assembly: Assembly) -> list[Resource]:
    return assembly.resources("monitoring", ALARM)


def dimensions(resource: Resource) -> dict[str, str]:
    return {each["Name"]: flatten(each["Value"]) for each in resource.properties["Dimensions"]}


def dashboard(assembly: Assembly) -> Json:
    body = assembly.resource("monitoring", "AWS::CloudWatch::Dashboard").properties
    parsed: Json = json.loads(flatten(body["DashboardBody"]))
    return parsed


def dashboard_metrics(assembly: Assembly) -> list[list[Any]]:
    """Return each metric as the dashboard has it: namespace, name, dimensions, options."""
    return [
        metric
        for widget in dashboard(assembly)["widgets"]
        for metric in widget["properties"].get("metrics", [])
        if len(metric) > 1  # else it is an expression
    ]


def test_an_alarm_has_no_name_of_its_own_and_says_what_to_do(assembly: Assembly) -> None:
    for each in [*alarms_of(assembly), *assembly.resources("monitoring", COMPOSITE)]:
        assert "AlarmName" not in each.properties
        assert "What to do: docs/operations.md, " in each.properties["AlarmDescription"]


def test_the_alarms_of_a_stage_of_a_developer(dev: Assembly) -> None:
    thresholds = {
        (each.properties["Namespace"], each.properties["MetricName"]): each.properties["Threshold"]
        for each in alarms_of(dev)
    }
    monitoring = dev.settings.monitoring
    assert thresholds == {
        ("AWS/ApiGateway", "Latency"): monitoring.api_latency_p99_ms,
        ("AWS/ApiGateway", "5XXError"): monitoring.api_5xx_errors_per_minute,
        ("AWS/Lambda", "Errors"): monitoring.lambda_errors_per_minute,
        ("AWS/Lambda", "Throttles"): monitoring.lambda_throttles_per_minute,
        ("AWS/SageMaker", "Invocation5XXErrors"): monitoring.endpoint_5xx_errors_per_minute,
        ("AWS/SageMaker", "ModelLatency"): 1000 * monitoring.model_latency_p99_ms,
        ("/aws/sagemaker/Endpoints", "MemoryUtilization"): monitoring.endpoint_memory_percent,
        ("AWS/States", "ExecutionsFailed"): 1,
        ("Whippet", "EndpointAccessDenied"): monitoring.endpoint_access_denials_per_minute,
    }


def test_only_metrics_of_the_whole_stage_are_shown_of_the_api(assembly: Assembly) -> None:
    """Metrics with the dimension Method need detailed metrics, which are off."""
    shown = [each for each in dashboard_metrics(assembly) if each[0] == "AWS/ApiGateway"]
    assert len(shown) == 5
    for namespace, _name, *dimensions_ in shown:
        assert namespace == "AWS/ApiGateway"
        assert dimensions_[0:-1:2] == ["ApiName", "Stage"]


def test_endpoint_alarms_name_endpoint_and_variant_by_literals(dev: Assembly) -> None:
    # Attributes of the endpoint would be a cycle where its rollback names the alarm.
    for each in alarms_of(dev):
        if each.properties["Namespace"].lower().startswith(("aws/sagemaker", "/aws/sagemaker")):
            assert dimensions(each) == {"EndpointName": "whippet-dev", "VariantName": "primary"}


def own_metrics(assembly: Assembly) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield name and dimensions of each metric of the proxy that alarms and dashboard use."""
    for each in alarms_of(assembly):
        for part in walk(each.properties):
            if isinstance(part, dict) and part.get("Namespace") == METRICS_NAMESPACE:
                pairs = {pair["Name"]: flatten(pair["Value"]) for pair in part["Dimensions"]}
                yield part["MetricName"], pairs
    for namespace, name, *rest in dashboard_metrics(assembly):
        if namespace == METRICS_NAMESPACE:
            yield name, dict(zip(rest[0:-1:2], rest[1:-1:2], strict=True))


def test_alarms_and_dashboard_name_what_the_proxy_publishes(
    assembly: Assembly, inputs: Inputs
) -> None:
    # Of another namespace or service there is never data, and missing data raises no alarm.
    variables = proxy_function(assembly).properties["Environment"]["Variables"]
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == METRICS_NAMESPACE
    used = dict(own_metrics(assembly))
    for each in used.values():
        assert each["service"] == variables["POWERTOOLS_SERVICE_NAME"]
        assert each.get("model") in {None, inputs.model.name}
    if variables["METRICS"] == "basic":
        assert set(used) == BASIC_METRICS
    else:
        assert set(used) >= BASIC_METRICS | {"TopProbability", "EndpointLatency"}


@pytest.mark.parametrize(
    ("stage", "metrics"), [("local", "full"), ("dev", "basic"), ("prod", "full")]
)
def test_a_stage_publishes_the_metrics_that_are_worth_their_price(
    assemblies: dict[str, Assembly], stage: str, metrics: str
) -> None:
    function = proxy_function(assemblies[stage]).properties
    assert function["Environment"]["Variables"]["METRICS"] == metrics


def test_every_alarm_reaches_a_topic_that_its_key_lets_cloudwatch_use(assembly: Assembly) -> None:
    """Follow alarm -> topic -> key: without a permission the message is dropped silently."""
    topics = {each.logical_id: each for each in assembly.resources("monitoring", TOPIC)}
    for each in [*alarms_of(assembly), *assembly.resources("monitoring", COMPOSITE)]:
        (action,) = each.properties["AlarmActions"]
        assert action["Ref"] in topics
        assert each.properties["OKActions"] == [action]
    key = assembly.resource("storage", "AWS::KMS::Key")
    for topic in topics.values():
        output = topic.properties["KmsMasterKeyId"]["Fn::GetStackOutput"]
        assert output["StackName"] == f"{assembly.settings.name}-storage"
        published = assembly.template("storage")["Outputs"][output["OutputName"]]["Value"]
        assert published == {"Fn::GetAtt": [key.logical_id, "Arn"]}
    allowed = {
        action
        for statement in statements_of(key)
        if "cloudwatch.amazonaws.com" in str(statement["Principal"])
        for action in statement["Action"]
    }
    assert {"kms:Decrypt", "kms:GenerateDataKey*"} <= allowed


URGENT, WARNINGS = "AlarmTopic", "WarningTopic"


def notified(assembly: Assembly, topic: str) -> set[str]:
    """Return the names of the alarms that notify a topic."""
    return {
        name_in(each.properties["AlarmDescription"])
        for each in [*alarms_of(assembly), *assembly.resources("monitoring", COMPOSITE)]
        if str(each.properties["AlarmActions"][0]["Ref"]).startswith(topic)
    }


def test_urgent_alarms_notify_another_topic_than_warnings(dev: Assembly) -> None:
    assert notified(dev, URGENT) == {
        "ApiErrors", "ApiLatency", "EndpointAccessDenials", "EndpointErrors", "ProxyErrors",
        "ProxyThrottles",
    }  # fmt: skip
    assert notified(dev, WARNINGS) == {"EndpointMemory", "FailedExecutions", "ModelLatency"}


def test_one_urgent_message_says_that_users_are_affected(prod: Assembly) -> None:
    assert notified(prod, URGENT) == {"UsersAffected"}
    assert {"ApiErrors", "ApiLatency", "FirewallBlocks"} <= notified(prod, WARNINGS)


def topic_statements(assembly: Assembly) -> Iterator[Json]:
    policies = assembly.resources("monitoring", "AWS::SNS::TopicPolicy")
    topics = [{"Ref": each.logical_id} for each in assembly.resources("monitoring", TOPIC)]
    assert [topic for policy in policies for topic in policy.properties["Topics"]] == topics
    for policy in policies:
        yield from statements_of(policy)


def test_cloudwatch_of_this_account_may_publish(assembly: Assembly) -> None:
    # The topic's policy replaces SNS's default, which would allow the alarms.
    for allowed in (each for each in topic_statements(assembly) if each["Effect"] == "Allow"):
        assert allowed["Action"] == ["sns:Publish"]
        assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        assert allowed["Condition"] == {
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        }


def test_the_topics_refuse_plain_http(assembly: Assembly) -> None:
    denied = [each for each in topic_statements(assembly) if each["Effect"] == "Deny"]
    assert len(denied) == 2
    for each in denied:
        assert each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def with_monitoring(settings: StageSettings, **changes: Any) -> StageSettings:
    monitoring = with_changes(settings.monitoring, **changes)
    return with_changes(settings, monitoring=monitoring)


def test_no_email_is_sent_unless_an_address_is_set(assembly: Assembly) -> None:
    assert not assembly.resources("monitoring", "AWS::SNS::Subscription")  # prod has "none"


def test_an_address_is_subscribed_to_the_alarms(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    def addresses(**emails: str) -> dict[str, str]:
        assembly = synthesize_with(with_monitoring(dev_settings, **emails))
        subscriptions = assembly.resources("monitoring", "AWS::SNS::Subscription")
        assert {each.properties["Protocol"] for each in subscriptions} <= {"email"}
        return {
            each.properties["TopicArn"]["Ref"].partition("Topic")[0]: each.properties["Endpoint"]
            for each in subscriptions
        }

    both = {"Alarm": "ops@example.com", "Warning": "ops@example.com"}
    assert addresses(alarm_email="ops@example.com") == both
    team = {"alarm_email": "ops@example.com", "warning_email": "team@example.com"}
    assert addresses(**team) == {**both, "Warning": "team@example.com"}
    assert addresses(alarm_email="none", warning_email="team@example.com") == {
        "Warning": "team@example.com"
    }


def test_the_dashboard_shows_every_alarm(assembly: Assembly) -> None:
    (status,) = (each for each in dashboard(assembly)["widgets"] if each["type"] == "alarm")
    alarms = [*alarms_of(assembly), *assembly.resources("monitoring", COMPOSITE)]
    arns = {f"<{each.logical_id}.Arn>" for each in alarms}
    assert set(status["properties"]["alarms"]) == arns


def test_spillover_is_counted_on_the_alias_and_summed(assembly: Assembly) -> None:
    # CDK's default is Average, which is meaningless for a count.
    (metric,) = (
        each
        for each in dashboard_metrics(assembly)
        if "ProvisionedConcurrencySpilloverInvocations" in each
    )
    assert "Resource" in metric
    assert metric[metric.index("Resource") + 1].endswith(":live")
    assert metric[-1]["stat"] == "Sum"


def test_a_fleet_is_at_its_maximum_when_it_is_at_that_of_its_schedule(
    prod: Assembly, synthesize_with: Synthesize
) -> None:
    scheduled = with_changes(
        prod.settings, serving=with_every_scaling_setting(prod.settings.serving)
    )
    (alarm,) = [
        each
        for each in alarms_of(synthesize_with(scheduled))
        if "FleetAtMaximum" in each.properties["AlarmDescription"]
    ]
    assert scheduled.serving.max_instance_count == 3
    assert alarm.properties["AlarmDescription"].startswith("All 4 instances")
