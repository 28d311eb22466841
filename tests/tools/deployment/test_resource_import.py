"""Imports into stacks that cannot be updated; tests/local imports into real ones."""

import json
from contextlib import ExitStack

import pytest
from botocore.stub import Stubber

from tests.tools.stubbed_session import StubbedSession
from tools.deployment.resource_import import ExistingResource, import_resource, stack_has

STACK = "whippet-dev-serving"
STACK_ID = f"arn:aws:cloudformation:eu-west-1:123456789012:stack/{STACK}/1"
RESOURCE = ExistingResource(
    logical_id="Logs",
    type="AWS::Logs::LogGroup",
    identifier={"LogGroupName": "logs"},
    properties={"LogGroupName": "logs"},
    deletion_policy="Delete",
)


def add_stack(cloudformation: Stubber, status: str, name: str = STACK) -> None:
    stack = {"StackName": STACK, "StackId": STACK_ID, "CreationTime": 0, "StackStatus": status}
    cloudformation.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": name})


@pytest.mark.parametrize("status", ["REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"])
def test_a_stack_that_was_never_created_is_created_with_the_resource_alone(status: str) -> None:
    with ExitStack() as stack:
        session = StubbedSession(stack)
        cloudformation = session.stubs["cloudformation"]
        add_stack(cloudformation, status)
        if status != "REVIEW_IN_PROGRESS":  # CloudFormation updates no stack in these states
            cloudformation.add_response("delete_stack", {}, {"StackName": STACK})
            add_stack(cloudformation, "DELETE_COMPLETE", STACK_ID)
        cloudformation.add_response(  # of a run that was interrupted, whose name would be taken
            "delete_change_set", {}, {"StackName": STACK, "ChangeSetName": "whippet-import"}
        )
        definition = {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "Properties": {"LogGroupName": "logs"},
        }
        cloudformation.add_response(
            "create_change_set",
            {"Id": "change-set", "StackId": STACK_ID},
            {
                "StackName": STACK,
                "ChangeSetName": "whippet-import",
                "ChangeSetType": "IMPORT",
                "TemplateBody": json.dumps(
                    {"Resources": {"Logs": definition}}, separators=(",", ":")
                ),
                "Parameters": [],
                "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
                "ResourcesToImport": [
                    {
                        "ResourceType": "AWS::Logs::LogGroup",
                        "LogicalResourceId": "Logs",
                        "ResourceIdentifier": {"LogGroupName": "logs"},
                    }
                ],
            },
        )
        names = {"StackName": STACK, "ChangeSetName": "change-set"}
        cloudformation.add_response("describe_change_set", {"Status": "CREATE_COMPLETE"}, names)
        cloudformation.add_response("execute_change_set", {}, names)
        add_stack(cloudformation, "IMPORT_COMPLETE")
        client = session.client("cloudformation", region_name="eu-west-1")
        import_resource(client, STACK, RESOURCE)
        cloudformation.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("status", "held"),
    [
        ("CREATE_COMPLETE", True),
        ("UPDATE_COMPLETE", True),
        ("UPDATE_FAILED", True),
        ("DELETE_FAILED", True),
        ("IMPORT_COMPLETE", True),
        # A creation that failed, or was rolled back since.
        ("CREATE_FAILED", False),
        ("DELETE_COMPLETE", False),
        ("DELETE_SKIPPED", False),
        ("IMPORT_FAILED", False),
    ],
)
def test_a_stack_does_not_hold_what_it_failed_to_create(status: str, held: bool) -> None:
    with ExitStack() as stack:
        session = StubbedSession(stack)
        resource = {
            "StackName": STACK,
            "LogicalResourceId": "Logs",
            "PhysicalResourceId": "logs",
            "ResourceType": "AWS::Logs::LogGroup",
            "ResourceStatus": status,
            "LastUpdatedTimestamp": 0,
        }
        session.stubs["cloudformation"].add_response(
            "describe_stack_resource",
            {"StackResourceDetail": resource},
            {"StackName": STACK, "LogicalResourceId": "Logs"},
        )
        client = session.client("cloudformation", region_name="eu-west-1")
        assert stack_has(client, STACK, "Logs") is held
