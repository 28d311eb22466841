"""Stacks that refer to a key or an API that was replaced; AWS is botocore's stub."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from tests.tools.stubbed_session import stubbed_client
from tools.console import ToolError
from tools.deployment.references import update_references

NAME = "whippet-dev"
STACKS = STORAGE, NETWORK, TRAINING, SERVING, BATCH, API, WEB, MONITORING = tuple(
    f"{NAME}-{purpose}"
    for purpose in (
        "storage",
        "network",
        "training",
        "serving",
        "batch",
        "api",
        "web",
        "monitoring",
    )
)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"

# Of stacks, as CloudFormation describes them.
Times = Mapping[str, dict[str, int]]


class Stage:
    """A stubbed stage whose key is `new`, whose API is `new` and whose proxy is `proxy-new`."""

    def __init__(self, stack: ExitStack) -> None:
        names = ("cloudformation", "cloudfront", "cloudwatch", "logs", "sns")
        self.clients: dict[str, Any] = {name: stubbed_client(name) for name in names}
        self.stubs = {
            name: stack.enter_context(Stubber(client)) for name, client in self.clients.items()
        }

    def holds(self, stack: str, *resources: tuple[str, str]) -> None:
        listed = [
            {
                "ResourceType": kind,
                "PhysicalResourceId": id_,
                "LogicalResourceId": "L",
                "LastUpdatedTimestamp": 0,
                "ResourceStatus": "CREATE_COMPLETE",
            }
            for kind, id_ in resources
        ]
        self.stubs["cloudformation"].add_response(
            "list_stack_resources", {"StackResourceSummaries": listed}, {"StackName": stack}
        )

    def encrypts(self, stack: str, key: str) -> None:
        """Stub the log group of a stack, with another one that its name is the start of."""
        arn = f"arn:aws:kms:eu-west-1:123456789012:key/{key}"
        groups = [{"logGroupName": f"{stack}-of-another"}, {"logGroupName": stack, "kmsKeyId": arn}]
        self.stubs["logs"].add_response(
            "describe_log_groups", {"logGroups": groups}, {"logGroupNamePrefix": stack}
        )

    def refers(
        self,
        *,
        origin: str = "new",
        function: str = "proxy-new",
        workflow: str = "workflow-new",
        old_key: str | None = None,
        times: Times | None = None,
    ) -> None:
        """Stub everything that is read for one comparison."""
        api = (("AWS::ApiGateway::RestApi", "new"), ("AWS::Lambda::Function", "proxy-new"))
        self.holds(STORAGE, ("AWS::KMS::Key", "new"))
        self.holds(NETWORK, ("AWS::Logs::LogGroup", NETWORK))
        machine = ("AWS::StepFunctions::StateMachine", "workflow-new")
        self.holds(TRAINING, machine, ("AWS::Logs::LogGroup", TRAINING))
        self.holds(SERVING, ("AWS::Logs::LogGroup", SERVING))
        self.holds(BATCH, ("AWS::Logs::LogGroup", BATCH))
        self.holds(API, *api, ("AWS::Logs::LogGroup", API))
        self.holds(WEB, ("AWS::CloudFront::Distribution", "E1"), ("AWS::Logs::LogGroup", WEB))
        self.holds(MONITORING, ("AWS::CloudWatch::Alarm", "errors"), ("AWS::SNS::Topic", TOPIC))
        self.was_updated(times or {})
        for stack in (NETWORK, TRAINING, SERVING, BATCH, API, WEB):
            self.encrypts(stack, "old" if stack == old_key else "new")
        key = "old" if old_key == MONITORING else "new"
        attributes = {"KmsMasterKeyId": f"arn:aws:kms:eu-west-1:123456789012:key/{key}"}
        self.stubs["sns"].add_response(
            "get_topic_attributes", {"Attributes": attributes}, {"TopicArn": TOPIC}
        )
        origins = [
            {"Id": "1", "DomainName": "page.s3.eu-west-1.amazonaws.com"},
            {"Id": "2", "DomainName": f"{origin}.execute-api.eu-west-1.amazonaws.com"},
        ]
        behavior = {"TargetOriginId": "1", "ViewerProtocolPolicy": "https-only"}
        configuration = {
            "CallerReference": "x",
            "Origins": {"Quantity": 2, "Items": origins},
            "DefaultCacheBehavior": behavior,
            "Comment": "",
            "Enabled": True,
        }
        self.stubs["cloudfront"].add_response(
            "get_distribution_config", {"DistributionConfig": configuration}, {"Id": "E1"}
        )
        dimensions = [{"Name": "FunctionName", "Value": function}]
        metric = {"Dimensions": [{"Name": "StateMachineArn", "Value": workflow}]}
        stat = {"Metric": metric, "Period": 60, "Stat": "Sum"}
        queries = [{"Id": "sum", "Expression": "2 * failed"}, {"Id": "failed", "MetricStat": stat}]
        alarms = [
            {"AlarmName": "errors", "Dimensions": dimensions},
            {"AlarmName": "failed", "Metrics": queries},
        ]
        self.stubs["cloudwatch"].add_response(
            "describe_alarms",
            {"MetricAlarms": alarms},
            {"AlarmNames": ["errors"]},
        )

    def was_updated(self, times: Times, *, missing: str = "") -> None:
        """Stub the times of all stacks; storage was created at 10."""
        for stack in STACKS:
            if stack == missing:
                self.stubs["cloudformation"].add_client_error(
                    "describe_stacks", "ValidationError", f"Stack with id {stack} does not exist"
                )
                continue
            created = {"CreationTime": 10 if stack == STORAGE else 20, **times.get(stack, {})}
            described = {"StackName": stack, "StackStatus": "UPDATE_COMPLETE", **created}
            self.stubs["cloudformation"].add_response(
                "describe_stacks", {"Stacks": [described]}, {"StackName": stack}
            )

    def is_described(self, stack: str, status: str = "UPDATE_COMPLETE") -> None:
        described = {
            "StackName": stack,
            "CreationTime": 0,
            "StackStatus": status,
            "Parameters": [{"ParameterKey": "BootstrapVersion", "ParameterValue": "/cdk"}],
            "Tags": [{"Key": "stage", "Value": "dev"}],
        }
        self.stubs["cloudformation"].add_response(
            "describe_stacks", {"Stacks": [described]}, {"StackName": stack}
        )

    def request(self, stack: str) -> dict[str, Any]:
        tags = [
            {"Key": "stage", "Value": "dev"},
            {"Key": "whippet:references-updated", "Value": ANY},
        ]
        return {
            "StackName": stack,
            "UsePreviousTemplate": True,
            "Parameters": [{"ParameterKey": "BootstrapVersion", "UsePreviousValue": True}],
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            "Tags": tags,
        }

    def is_updated(self, stack: str) -> None:
        self.is_described(stack)
        self.stubs["cloudformation"].add_response(
            "update_stack", {"StackId": "id"}, self.request(stack)
        )
        self.is_described(stack)  # to the SDK's waiter

    def compare(self) -> None:
        update_references(self.clients.__getitem__, name=NAME)
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def stage() -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(stack)


def test_stacks_that_refer_to_the_deployed_key_and_api_are_left(stage: Stage) -> None:
    stage.refers()
    stage.compare()


@pytest.mark.parametrize(
    ("reference", "stack"),
    [
        ({"origin": "old"}, WEB),
        ({"function": "proxy-old"}, MONITORING),
        ({"workflow": "workflow-old"}, MONITORING),
        *[
            ({"old_key": stack}, stack)
            for stack in (NETWORK, TRAINING, SERVING, BATCH, API, WEB, MONITORING)
        ],
    ],
)
def test_a_stack_that_refers_to_another_resource_is_updated(
    stage: Stage, reference: dict[str, Any], stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.refers(**reference)
    stage.is_updated(stack)
    stage.refers()
    stage.compare()
    assert f"The stack {stack} refers to what was replaced" in capsys.readouterr().out


OLDER: tuple[dict[str, int], ...] = (
    {"CreationTime": 9},
    {"CreationTime": 1, "LastUpdatedTime": 9},
)


@pytest.mark.parametrize("stack", STACKS[1:])
@pytest.mark.parametrize("older", OLDER)
def test_a_stack_is_updated_that_was_last_updated_before_storage_was_created(
    stage: Stage, stack: str, older: dict[str, int]
) -> None:
    stage.refers(times={stack: older})
    stage.is_updated(stack)
    stage.refers(times={stack: {"CreationTime": 1, "LastUpdatedTime": 30}})
    stage.compare()


def test_storage_that_was_updated_since_is_the_same(stage: Stage) -> None:
    stage.refers(times={STORAGE: {"CreationTime": 10, "LastUpdatedTime": 40}})
    stage.compare()


def test_a_reference_that_stays_is_an_error(stage: Stage) -> None:
    stage.refers(origin="old", function="proxy-old")
    stage.is_updated(WEB)
    stage.is_updated(MONITORING)
    stage.refers(origin="old")
    with pytest.raises(ToolError, match=f"^{WEB}: refers to what was replaced"):
        stage.compare()


def test_an_update_that_is_not_permitted_is_told_with_the_command(stage: Stage) -> None:
    stage.refers(origin="old")
    stage.is_described(WEB)
    stage.stubs["cloudformation"].add_client_error("update_stack", "AccessDenied", "not yours")
    with pytest.raises(ToolError) as told:
        stage.compare()
    text = str(told.value)
    assert "not yours" in text
    assert f"`npx --no-install cdk deploy --exclusively {WEB} --tags stage=dev --tags " in text


@pytest.mark.parametrize("key", [None, "of-another-time"])
def test_a_stage_without_a_key_refers_to_none(stage: Stage, key: str | None) -> None:
    groups = {MONITORING: ("AWS::SNS::Topic", TOPIC), API: ("AWS::Logs::LogGroup", API)}

    def read(topic: dict[str, str]) -> None:
        for stack in STACKS:
            stage.holds(stack, *([groups[stack]] if stack in groups else []))
        found = {"logGroups": [{"logGroupName": API}]}
        stage.was_updated({})
        stage.stubs["logs"].add_response("describe_log_groups", found, {"logGroupNamePrefix": API})
        stage.stubs["sns"].add_response("get_topic_attributes", {"Attributes": topic})

    read({} if key is None else {"KmsMasterKeyId": f"arn:aws:kms:eu-west-1:1:key/{key}"})
    if key is not None:
        stage.is_updated(MONITORING)
        read({})
    stage.compare()


def test_a_stage_without_a_page_has_no_reference_there(stage: Stage) -> None:
    for stack in (STORAGE, NETWORK, TRAINING, SERVING, BATCH):
        stage.holds(stack)
    stage.holds(API, ("AWS::ApiGateway::RestApi", "new"), ("AWS::Lambda::Function", "proxy-new"))
    stage.stubs["cloudformation"].add_client_error(
        "list_stack_resources", "ValidationError", f"Stack with id {WEB} does not exist"
    )
    stage.holds(MONITORING)
    stage.was_updated({}, missing=WEB)
    stage.compare()
