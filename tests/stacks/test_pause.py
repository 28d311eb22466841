"""What `make pause` changes in the templates: two stacks, as CloudFormation resolves them."""

from collections.abc import Iterator
from typing import Any

from aws_cdk import App, Stack
from aws_cdk import aws_cloudwatch as cloudwatch

from stacks.components.monitoring.paused_actions import silence_while_paused
from stacks.settings.stage import StageSettings
from tests.stacks.assembly import (
    PURPOSES,
    Assembly,
    Json,
    statements_for_role,
    with_serving,
)
from tests.stacks.conftest import Synthesize

ENDPOINT = "AWS::SageMaker::Endpoint"
SCALING = {
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
}
SETTINGS = {"Type", "Default", "AllowedValues", "Description"}


def resolve(template: Json, *, paused: bool) -> Json:
    """Return a template with its conditions resolved: resources, properties and outputs."""
    (condition,) = template["Conditions"].items()
    assert condition == ("Running", {"Fn::Equals": [{"Ref": "Paused"}, "false"]})
    parameter = template["Parameters"]["Paused"]
    assert parameter.keys() == SETTINGS
    assert (parameter["Type"], parameter["Default"]) == ("String", "false")
    assert sorted(parameter["AllowedValues"]) == ["false", "true"]
    resolved: Json = {
        section: {
            name: _choose(body, paused=paused)
            for name, body in template[section].items()
            if "Condition" not in body or (body["Condition"] == "Running" and not paused)
        }
        for section in ("Resources", "Outputs")
    }
    assert_nothing_dangles(resolved)
    return resolved


def assert_nothing_dangles(resolved: Json) -> None:
    """Check that whatever is referred to exists: CloudFormation would refuse the update."""
    known = resolved["Resources"].keys()
    for reference in _references(resolved):
        assert reference in known or reference == "Paused" or reference.startswith("AWS::")


def types(resolved: Json) -> set[str]:
    return {body["Type"] for body in resolved["Resources"].values()}


def test_a_paused_stage_has_no_endpoint_and_no_scaling_and_all_else(assembly: Assembly) -> None:
    template = assembly.template("serving")
    running, paused = resolve(template, paused=False), resolve(template, paused=True)
    gone = running["Resources"].keys() - paused["Resources"].keys()
    scaling = SCALING if assembly.settings.serving.scales else set()
    assert {running["Resources"][name]["Type"] for name in gone} == {ENDPOINT, *scaling}
    assert not types(paused) & {ENDPOINT, *SCALING}
    for name, body in paused["Resources"].items():
        assert body == running["Resources"][name]
    assert paused["Outputs"] == running["Outputs"]


def test_the_parameter_is_false_unless_a_deployment_has_changed_it(assembly: Assembly) -> None:
    for purpose in ("serving", "monitoring"):
        assert assembly.template(purpose)["Parameters"]["Paused"]["Default"] == "false"
    assert ENDPOINT in types(resolve(assembly.template("serving"), paused=False))


def test_a_fixed_fleet_is_paused_too(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    settings = with_serving(dev_settings, min_instance_count=2, max_instance_count=2)
    template = synthesize_with(settings).template("serving")
    conditional = [body for body in template["Resources"].values() if "Condition" in body]
    assert [body["Type"] for body in conditional] == [ENDPOINT]
    resolve(template, paused=True)


def test_alarms_of_a_paused_stage_have_no_actions(assembly: Assembly) -> None:
    template = assembly.template("monitoring")
    running, paused = resolve(template, paused=False), resolve(template, paused=True)
    assert running["Resources"].keys() == paused["Resources"].keys()
    alarms = 0
    for name, body in running["Resources"].items():
        is_alarm = body["Type"] in {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"}
        alarms += is_alarm
        is_silent = is_alarm and "FailedExecutions" not in name
        silent = {"ActionsEnabled": False} if is_silent else {}
        assert ("ActionsEnabled" in body.get("Properties", {})) is is_silent
        assert body.get("Properties", {}).get("ActionsEnabled", True) is True
        expected = {**body, "Properties": {**body.get("Properties", {}), **silent}}
        found = paused["Resources"][name]
        assert {**found, "Properties": found.get("Properties", {})} == expected
    assert alarms >= 6
    assert [name for name in running["Resources"] if "FailedExecutions" in name]


def test_every_kind_of_alarm_is_silenced_and_a_disabled_one_stays_disabled() -> None:
    app = App(analytics_reporting=False)
    stack = Stack(app, "any")
    settings: dict[str, Any] = {
        "comparison_operator": "LessThanThreshold", "evaluation_periods": 1, "threshold": 1,
        "namespace": "Any", "metric_name": "Any", "period": 60, "statistic": "Sum",
    }  # fmt: skip
    metric = cloudwatch.Metric(namespace="Any", metric_name="Any")
    high = metric.create_alarm(stack, "High", threshold=1, evaluation_periods=1)
    rule = cloudwatch.AlarmRule.from_alarm(high, cloudwatch.AlarmState.ALARM)
    cloudwatch.CompositeAlarm(stack, "Hurt", alarm_rule=rule)
    cloudwatch.CfnAlarm(stack, "Low", **settings)
    cloudwatch.CfnAlarm(stack, "Off", **settings, actions_enabled=False)
    metric.create_alarm(stack, "Training", threshold=1, evaluation_periods=1)
    silence_while_paused(stack, except_for={"Training"})
    template: Json = app.synth().get_stack_by_name("any").template
    enabled = {
        name: body["Properties"].get("ActionsEnabled", "as usual")
        for name, body in resolve({"Outputs": {}, **template}, paused=False)["Resources"].items()
    }
    (training,) = (name for name in enabled if name.startswith("Training"))
    assert enabled.pop(training) == "as usual"
    assert list(enabled.values()).count(True) == 3
    assert enabled["Off"] is False
    silent = resolve({"Outputs": {}, **template}, paused=True)["Resources"]
    assert "ActionsEnabled" not in silent.pop(training)["Properties"]
    assert {body["Properties"]["ActionsEnabled"] for body in silent.values()} == {False}


def test_no_other_stack_is_paused(assembly: Assembly) -> None:
    with_parameter = {
        purpose
        for purpose in PURPOSES
        if "Paused" in assembly.template(purpose).get("Parameters", {})
    }
    assert with_parameter == {"serving", "monitoring"}


def test_the_functions_may_read_whether_the_stage_is_paused_and_no_other_parameter(
    assembly: Assembly,
) -> None:
    name = f"/whippet/{assembly.settings.stage}/paused"
    (published,) = (
        each
        for each in assembly.resources("serving", "AWS::SSM::Parameter")
        if each.properties["Name"] == name
    )
    assert published.properties["Value"] == {"Ref": "Paused"}
    functions = [
        each
        for each in assembly.resources("api", "AWS::Lambda::Function")
        if "PAUSED_PARAMETER" in each.properties.get("Environment", {}).get("Variables", {})
    ]
    assert len(functions) == 2
    for function in functions:
        assert function.properties["Environment"]["Variables"]["PAUSED_PARAMETER"] == name
        role = function.properties["Role"]["Fn::GetAtt"][0]
        readable = [
            statement["Resource"]
            for statement in statements_for_role(assembly, "api", role)
            if "ssm:GetParameter" in statement["Action"]
        ]
        ((arn,),) = readable
        assert str(arn).endswith(f"':parameter{name}']]}}")


def _choose(value: Any, *, paused: bool) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"Fn::If"}:
            condition, if_running, if_paused = value["Fn::If"]
            assert condition == "Running"
            return _choose(if_paused if paused else if_running, paused=paused)
        return {name: _choose(each, paused=paused) for name, each in value.items()}
    if isinstance(value, list):
        return [_choose(each, paused=paused) for each in value]
    return value


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "Ref":
                yield each
            elif name == "Fn::GetAtt":
                yield each[0]
            elif name == "DependsOn":
                yield from each if isinstance(each, list) else [each]
            else:
                yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
