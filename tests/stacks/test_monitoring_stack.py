import json
from typing import Any

import pytest

from classifier_proxy.observability.telemetry import BASIC_METRICS
from stacks.components.api.api_function import METRICS_NAMESPACE
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import Assembly, Json, Resource, flatten, statements_of
from tests.stacks.conftest import Synthesize
from tests.stacks.functions import proxy_function

ALARM = "AWS::CloudWatch::Alarm"
TOPIC = "AWS::SNS::Topic"


def alarm(assembly: Assembly, metric: str, namespace: str) -> Resource:
    (found,) = (
        each
        for each in assembly.resources("monitoring", ALARM)
        if (each.properties["MetricName"], each.properties["Namespace"]) == (metric, namespace)
    )
    return found


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
    ]


# Namespace, metric, statistic, minutes, setting, what one unit of the setting is in the metric's:
# the names, dimensions and units that CloudWatch really has.
ALARMS = [
    ("AWS/ApiGateway", "Latency", "p99", 3, "api_latency_p99_ms", 1),
    ("AWS/ApiGateway", "5XXError", "Sum", 1, "api_5xx_errors_per_minute", 1),
    ("AWS/SageMaker", "Invocation5XXErrors", "Sum", 1, "endpoint_5xx_errors_per_minute", 1),
    ("AWS/SageMaker", "ModelLatency", "p99", 3, "model_latency_p99_ms", 1000),
    ("AWS/Lambda", "Errors", "Sum", 1, "lambda_errors_per_minute", 1),
    ("AWS/Lambda", "Throttles", "Sum", 1, "lambda_throttles_per_minute", 1),
    ("Whippet", "EndpointAccessDenied", "Sum", 1, "endpoint_access_denials_per_minute", 1),
]


@pytest.mark.parametrize(
    ("namespace", "metric", "statistic", "minutes", "setting", "factor"), ALARMS
)
def test_an_alarm_watches_the_right_metric_in_its_unit(
    assembly: Assembly,
    namespace: str,
    metric: str,
    statistic: str,
    minutes: int,
    setting: str,
    factor: int,
) -> None:
    properties = alarm(assembly, metric, namespace).properties
    assert properties.get("Statistic", properties.get("ExtendedStatistic")) == statistic
    assert properties["Threshold"] == getattr(assembly.settings.monitoring, setting) * factor
    assert properties["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert (properties["Period"], properties["EvaluationPeriods"]) == (60, minutes)
    assert properties["TreatMissingData"] == "notBreaching"
    assert properties["AlarmDescription"]
    assert "AlarmName" not in properties


def test_there_is_no_other_alarm(assembly: Assembly) -> None:
    alarms = [each.properties for each in assembly.resources("monitoring", ALARM)]
    found = sorted((each["Namespace"], each["MetricName"]) for each in alarms)
    assert found == sorted((namespace, metric) for namespace, metric, *_ in ALARMS)


@pytest.mark.parametrize("metric", ["Latency", "5XXError"])
def test_api_alarms_name_api_and_stage(assembly: Assembly, metric: str) -> None:
    found = dimensions(alarm(assembly, metric, "AWS/ApiGateway"))
    assert set(found) == {"ApiName", "Stage"}
    assert found["ApiName"] == assembly.settings.name
    assert "DeploymentStagev1" in found["Stage"]


def test_only_metrics_of_the_whole_stage_are_shown_of_the_api(assembly: Assembly) -> None:
    """Metrics with the dimension Method need detailed metrics, which are off."""
    shown = [each for each in dashboard_metrics(assembly) if each[0] == "AWS/ApiGateway"]
    assert len(shown) == 5
    for _namespace, _name, *dimensions_ in shown:
        assert dimensions_[0:-1:2] == ["ApiName", "Stage"]


@pytest.mark.parametrize("metric", ["Invocation5XXErrors", "ModelLatency"])
def test_endpoint_alarms_name_endpoint_and_variant_by_literals(
    assembly: Assembly, metric: str
) -> None:
    # Attributes of the endpoint would be a cycle where its rollback names the alarm.
    assert dimensions(alarm(assembly, metric, "AWS/SageMaker")) == {
        "EndpointName": assembly.settings.name,
        "VariantName": "primary",
    }


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_proxy_alarms_name_the_function(assembly: Assembly, metric: str) -> None:
    found = dimensions(alarm(assembly, metric, "AWS/Lambda"))
    assert set(found) == {"FunctionName"}
    assert f"<{assembly.settings.name}-api:" in found["FunctionName"]


def test_alarms_on_the_proxys_own_metrics_name_what_it_publishes(assembly: Assembly) -> None:
    # Of another namespace or service there is never data, and missing data raises no alarm.
    variables = proxy_function(assembly).properties["Environment"]["Variables"]
    published = alarm(assembly, "EndpointAccessDenied", variables["POWERTOOLS_METRICS_NAMESPACE"])
    assert dimensions(published) == {"service": variables["POWERTOOLS_SERVICE_NAME"]}


def test_alarms_and_dashboard_use_only_what_the_proxy_always_publishes(assembly: Assembly) -> None:
    alarms = [each.properties for each in assembly.resources("monitoring", ALARM)]
    used = {each["MetricName"] for each in alarms if each["Namespace"] == METRICS_NAMESPACE}
    used |= {
        name
        for namespace, name, *_ in dashboard_metrics(assembly)
        if namespace == METRICS_NAMESPACE
    }
    assert used == BASIC_METRICS


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
    topic = assembly.resource("monitoring", TOPIC)
    for each in assembly.resources("monitoring", ALARM):
        assert each.properties["AlarmActions"] == [{"Ref": topic.logical_id}]
        assert each.properties["OKActions"] == [{"Ref": topic.logical_id}]
    output = topic.properties["KmsMasterKeyId"]["Fn::GetStackOutput"]
    assert output["StackName"] == f"{assembly.settings.name}-storage"
    published = assembly.template("storage")["Outputs"][output["OutputName"]]["Value"]
    key = assembly.resource("storage", "AWS::KMS::Key")
    assert published == {"Fn::GetAtt": [key.logical_id, "Arn"]}
    allowed = {
        action
        for statement in statements_of(key)
        if "cloudwatch.amazonaws.com" in str(statement["Principal"])
        for action in statement["Action"]
    }
    assert {"kms:Decrypt", "kms:GenerateDataKey*"} <= allowed


def topic_statements(assembly: Assembly) -> list[Json]:
    policy = assembly.resource("monitoring", "AWS::SNS::TopicPolicy")
    assert policy.properties["Topics"] == [
        {"Ref": assembly.resource("monitoring", TOPIC).logical_id}
    ]
    return statements_of(policy)


def test_cloudwatch_of_this_account_may_publish(assembly: Assembly) -> None:
    # The topic's policy replaces SNS's default, which would allow the alarms.
    (allowed,) = (each for each in topic_statements(assembly) if each["Effect"] == "Allow")
    assert allowed["Action"] == ["sns:Publish"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }


def test_the_topic_refuses_plain_http(assembly: Assembly) -> None:
    (denied,) = (each for each in topic_statements(assembly) if each["Effect"] == "Deny")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def with_monitoring(settings: StageSettings, **changes: Any) -> StageSettings:
    monitoring = with_changes(settings.monitoring, **changes)
    return with_changes(settings, monitoring=monitoring)


def test_no_email_is_sent_unless_an_address_is_set(assembly: Assembly) -> None:
    assert not assembly.resources("monitoring", "AWS::SNS::Subscription")  # prod has "none"


def test_an_address_is_subscribed_to_the_alarms(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_monitoring(dev_settings, alarm_email="ops@example.com"))
    subscription = assembly.resource("monitoring", "AWS::SNS::Subscription").properties
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ops@example.com")


def test_the_dashboard_shows_every_alarm(assembly: Assembly) -> None:
    (status,) = (each for each in dashboard(assembly)["widgets"] if each["type"] == "alarm")
    alarms = {f"<{each.logical_id}.Arn>" for each in assembly.resources("monitoring", ALARM)}
    assert set(status["properties"]["alarms"]) == alarms


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
