"""What `make destroy` says of what remains."""

from contextlib import ExitStack
from typing import Any

from tests.tools.stubbed_session import StubbedSession
from tools.deployment.leftovers import Leftover, describe_leftovers, retained_resources

STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/whippet-dev-storage/1"


def event(kind: str, physical_id: str, status: str) -> dict[str, Any]:
    return {
        "StackId": STACK,
        "EventId": physical_id,
        "StackName": "whippet-dev-storage",
        "Timestamp": 0,
        "ResourceType": kind,
        "PhysicalResourceId": physical_id,
        "ResourceStatus": status,
    }


def test_only_what_the_deletion_retained_remains() -> None:
    newest_first = [
        event("AWS::CloudFormation::Stack", STACK, "DELETE_COMPLETE"),
        event("AWS::KMS::Key", "key", "DELETE_SKIPPED"),
        event("AWS::SNS::Topic", "topic", "DELETE_COMPLETE"),
        event("AWS::S3::Bucket", "bucket", "DELETE_SKIPPED"),
        event("AWS::CloudFormation::Stack", STACK, "DELETE_IN_PROGRESS"),
        # Replaced by an update, and deleted since by `make deploy`.
        event("AWS::SageMaker::Model", "model", "DELETE_SKIPPED"),
    ]
    with ExitStack() as stack:
        session = StubbedSession(stack)
        session.stubs["cloudformation"].add_response(
            "describe_stack_events", {"StackEvents": newest_first}, {"StackName": STACK}
        )
        client = session.client("cloudformation", region_name="eu-west-1")
        found = retained_resources(client, STACK)
    assert found == [Leftover("AWS::S3::Bucket", "bucket"), Leftover("AWS::KMS::Key", "key")]


def test_the_accounts_logging_role_is_not_to_be_deleted() -> None:
    lines = describe_leftovers(
        [Leftover("AWS::IAM::Role", "logging"), Leftover("AWS::ApiGateway::Account", "x")],
        "eu-west-1",
    )
    assert len(lines) == 1
    assert lines[0].startswith("role logging: free;")
    assert "Keep it" in lines[0]


def test_the_policy_of_a_bucket_is_deleted_with_it() -> None:
    lines = describe_leftovers(
        [Leftover("AWS::S3::Bucket", "data"), Leftover("AWS::S3::BucketPolicy", "data")],
        "eu-west-1",
    )
    assert len(lines) == 1
    assert lines[0].startswith("bucket data: ")
