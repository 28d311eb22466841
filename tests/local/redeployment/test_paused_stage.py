"""`make pause`, a deployment of the paused stage, and `make resume`."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stacks.settings.stage import StageSettings, load_stage_settings
from tests.local.api_requests import Request, classify, send
from tests.local.batches import batch, lines_of, make_images
from tests.local.conftest import processes_naming, run_tool, up
from tests.local.functions import health_function
from tests.local.redeployment.changed_model import served_version, write_other_archive
from tests.local.test_api import GOOD
from tools.cdk import ROOT
from tools.deployment import pause as tool
from tools.local.deployment import LocalDeployment

Client = Callable[[str], Any]
HEALTH = Request(method="GET", path="health", content_type=None, key="")
SCALED = {"ServiceNamespace": "sagemaker"}
# What a resource gets anew when it is created again.
NEW = {"CreationTime", "PolicyARN", "ScalableTargetARN"}
ENDPOINT = ("EndpointName", "EndpointArn", "EndpointConfigName", "EndpointStatus")


def pause(state: Path, *arguments: str) -> str:
    file = ("--deployment", str(state / "local.json"))
    return run_tool("tools.deployment.pause", "--stage", "local", *file, *arguments).stdout


def kept(described: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described.items() if name not in NEW}


def what_runs(client: Client) -> dict[str, Any]:
    """Return what a pause must give back: endpoint, model, scaling, alarms."""
    sagemaker, scaling = client("sagemaker"), client("application-autoscaling")
    targets = scaling.describe_scalable_targets(**SCALED)["ScalableTargets"]
    policies = scaling.describe_scaling_policies(**SCALED)["ScalingPolicies"]
    alarms = client("cloudwatch").describe_alarms(AlarmTypes=["CompositeAlarm", "MetricAlarm"])
    return {
        "endpoint": [
            {name: described[name] for name in (*ENDPOINT, "ProductionVariants")}
            for each in sagemaker.list_endpoints()["Endpoints"]
            for described in [sagemaker.describe_endpoint(EndpointName=each["EndpointName"])]
        ],
        "models": [each["ModelName"] for each in sagemaker.list_models()["Models"]],
        "targets": [kept(each) for each in targets],
        "policies": [kept(each) for each in policies],
        "alarms": {
            each["AlarmName"]: each["ActionsEnabled"]
            for each in [*alarms["MetricAlarms"], *alarms["CompositeAlarms"]]
        },
    }


def model_servers(state: Path) -> list[str]:
    return [line for line in processes_naming(str(state)).values() if "serve.py serve" in line]


@pytest.fixture
def messages(client: Client) -> Iterator[Callable[[], list[str]]]:
    """Return what returns the alarms' messages since the last call: the state of each."""
    sns, sqs = client("sns"), client("sqs")
    stack = client("cloudformation").describe_stacks(StackName="whippet-local-monitoring")
    (topic,) = (
        each["OutputValue"]
        for each in stack["Stacks"][0]["Outputs"]
        if each["OutputKey"] == "WarningTopicArn"
    )
    url = sqs.create_queue(QueueName="alarms-of-a-paused-stage")["QueueUrl"]
    described = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = described["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": arn,
    }  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def read() -> list[str]:
        states = []
        while received := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1
        ).get("Messages"):
            for each in received:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
                message = json.loads(json.loads(each["Body"])["Message"])
                states.append(message["NewStateValue"])
        return states

    yield read
    sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    sqs.delete_queue(QueueUrl=url)


def raise_an_alarm(client: Client) -> None:
    """Raise an alarm whose cause goes on for some minutes."""
    cloudwatch = client("cloudwatch")
    (alarm,) = (
        alarm
        for alarm in cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm"])["MetricAlarms"]
        if alarm.get("MetricName") == "EndpointAccessDenied"
    )
    now = time.time()
    cloudwatch.put_metric_data(
        Namespace=alarm["Namespace"],
        MetricData=[
            {
                "MetricName": alarm["MetricName"], "Dimensions": alarm["Dimensions"],
                "Timestamp": now + 60 * minute, "Value": alarm["Threshold"],
            }
            for minute in range(-2, 4)
        ],
    )  # fmt: skip
    for state in ("OK", "ALARM"):
        cloudwatch.set_alarm_state(
            AlarmName=alarm["AlarmName"], StateValue=state, StateReason="test"
        )


def until_an_alarm(messages: Callable[[], list[str]]) -> list[str]:
    """Return the messages until the next evaluation has raised an alarm."""
    deadline = time.monotonic() + 30  # alarms are evaluated every ten seconds
    states = messages()
    while "ALARM" not in states and time.monotonic() < deadline:
        states += messages()
    return states


@contextmanager
def new_health_environment(client: Client) -> Iterator[None]:
    """Let the health function start anew, so that it knows no status of the endpoint."""
    functions, name = client("lambda"), health_function(client)
    before = functions.get_function_configuration(FunctionName=name)["Environment"]
    variables = before["Variables"] | {"LOG_LEVEL": "WARNING"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment=before)


@pytest.fixture
def settings(client: Client) -> Iterator[StageSettings]:
    """Return the stage's settings; in the end it runs, whatever has failed."""
    settings = load_stage_settings("local", ROOT / "config")
    yield settings
    tool.resume(settings, client)


def test_a_stage_is_paused_deployed_and_resumed(
    state: Path,
    deployment: LocalDeployment,
    client: Client,
    messages: Callable[[], list[str]],
    settings: StageSettings,
    tmp_path: Path,
) -> None:
    version, before = served_version(deployment), what_runs(client)
    assert len(before["targets"]) == len(before["policies"]) == len(before["endpoint"]) == 1
    assert before["targets"][0]["MaxCapacity"] > 1
    assert set(before["alarms"].values()) == {True}
    assert len(model_servers(state)) == 1

    printed = pause(state)
    assert re.search(rf"The stage local is paused\. Its model \S+ {version} is kept\.", printed)
    assert "Still costs: " in printed
    status, body = classify(deployment, GOOD)
    assert (status, body["error"]["code"]) == (503, "endpoint_paused")
    assert "paused" in body["error"]["message"]
    assert model_servers(state) == []
    paused = what_runs(client)
    assert paused["endpoint"] == paused["targets"] == paused["policies"] == []
    assert paused["models"] == before["models"]
    silent = {
        name
        for name in paused["alarms"]
        if "-monitoring-" in name and "FailedExecutions" not in name
    }
    assert [name for name in silent if "UsersAffected" in name], "the composite one"
    assert len(silent) >= 6
    assert paused["alarms"] == {name: name not in silent for name in before["alarms"]}
    messages()  # of the time before
    raise_an_alarm(client)
    assert messages() == []
    with new_health_environment(client):
        health = send(deployment, HEALTH)
    assert (health.status, health.body["status"]) == (503, "paused")
    assert health.headers["retry-after"] == "300"

    assert "serves again" in pause(state, "--resume")
    assert served_version(deployment) == version
    assert what_runs(client) == before
    assert len(model_servers(state)) == 1
    assert until_an_alarm(messages)[:2] == ["OK", "ALARM"], "the cause goes on"

    # Interrupted after the first of its two stacks.
    client("cloudformation").update_stack(
        StackName="whippet-local-monitoring", UsePreviousTemplate=True,
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[
            {"ParameterKey": "Paused", "ParameterValue": "true"},
            {"ParameterKey": "BootstrapVersion", "UsePreviousValue": True},
        ],
    )  # fmt: skip
    tool.pause(settings, client)
    other = write_other_archive(tmp_path / "other")
    printed = up(state, tmp_path / "other").stdout
    assert "The stage local is paused" in printed
    assert printed.rstrip().endswith("until `make resume STAGE=local`.")
    assert what_runs(client)["endpoint"] == []
    assert classify(deployment, GOOD)[0] == 503
    # Batch jobs need no endpoint, and have the model that was deployed last.
    make_images(tmp_path / "images", 3)
    batch(state, "--source", str(tmp_path / "images"), "--destination", str(tmp_path / "results"))
    lines = lines_of(tmp_path / "results" / "predictions.jsonl")
    assert [each["model"]["version"] for each in lines] == [other[:12]] * 3
    tool.resume(settings, client)
    assert served_version(deployment) == other[:12]
    after = what_runs(client)
    assert (after["targets"], after["policies"]) == (before["targets"], before["policies"])
