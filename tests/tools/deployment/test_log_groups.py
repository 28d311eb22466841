"""The log groups that SageMaker creates; tests/local imports one with its events."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.tools.stubbed_session import StubbedSession, add_unmanaged_log_group
from tools.console import ToolError
from tools.deployment.log_groups import (
    TRAINING_LOG_GROUP,
    delete_endpoint_log_group,
    expire_training_logs,
    import_endpoint_log_group,
)


@pytest.fixture
def session() -> Iterator[StubbedSession]:
    with ExitStack() as stack:
        stubbed = StubbedSession(stack)
        yield stubbed
        for stub in stubbed.stubs.values():
            stub.assert_no_pending_responses()


def client(session: StubbedSession, service: str) -> Any:
    return session.client(service, region_name=session.region_name)


def test_an_import_that_is_refused_is_told_with_the_command_that_helps(
    session: StubbedSession,
) -> None:
    add_unmanaged_log_group(session)
    with pytest.raises(ToolError) as told:
        import_endpoint_log_group(
            client(session, "cloudformation"),
            client(session, "logs"),
            stack="whippet-dev-serving",
            endpoint="whippet-dev",
        )
    text = str(told.value)
    assert "not authorized" in text
    assert "and deploy again" in text
    assert text.splitlines()[-1] == (
        "  aws logs delete-log-group --log-group-name /aws/sagemaker/Endpoints/whippet-dev "
        "--region eu-west-1"
    )


def add_training_groups(session: StubbedSession, group: dict[str, Any] | None) -> None:
    other = {"logGroupName": f"{TRAINING_LOG_GROUP}-of-another", "retentionInDays": 1}
    groups = [other] if group is None else [other, {"logGroupName": TRAINING_LOG_GROUP} | group]
    session.stubs["logs"].add_response("describe_log_groups", {"logGroups": groups})


def add_streams(session: StubbedSession, *names: str) -> None:
    session.stubs["logs"].add_response(
        "describe_log_streams",
        {"logStreams": [{"logStreamName": name} for name in names]},
        {"logGroupName": TRAINING_LOG_GROUP, "limit": 1},
    )


@pytest.mark.parametrize("exists", [True, False])
def test_logs_of_training_jobs_expire_before_there_are_any(
    session: StubbedSession, exists: bool
) -> None:
    add_training_groups(session, {} if exists else None)
    logs = session.stubs["logs"]
    if exists:
        add_streams(session)
    else:
        logs.add_response("create_log_group", {}, {"logGroupName": TRAINING_LOG_GROUP})
    logs.add_response(
        "put_retention_policy", {}, {"logGroupName": TRAINING_LOG_GROUP, "retentionInDays": 14}
    )
    note = expire_training_logs(client(session, "logs"), retention_days=14)
    assert note is not None
    assert "are now deleted after 14 days" in note


def test_logs_of_other_jobs_are_not_deleted_unasked(session: StubbedSession) -> None:
    # storedBytes is some hours old, so that it is 0 after the first job.
    add_training_groups(session, {"storedBytes": 0})
    add_streams(session, "a-job-of-another-team/algo-1-1700000000")
    note = expire_training_logs(client(session, "logs"), retention_days=14)
    assert note is not None
    assert note.endswith(
        f": aws logs put-retention-policy --log-group-name {TRAINING_LOG_GROUP} "
        "--retention-in-days 14 --region eu-west-1"
    )


def test_a_retention_that_another_set_is_kept(session: StubbedSession) -> None:
    add_training_groups(session, {"retentionInDays": 365})
    assert expire_training_logs(client(session, "logs"), retention_days=14) is None


def test_a_log_group_that_sagemaker_created_again_is_deleted(session: StubbedSession) -> None:
    name = {"logGroupName": "/aws/sagemaker/Endpoints/whippet-dev"}
    logs = session.stubs["logs"]
    logs.add_response("delete_log_group", {}, name)
    delete_endpoint_log_group(client(session, "logs"), "whippet-dev")
    logs.add_client_error("delete_log_group", "ResourceNotFoundException", expected_params=name)
    delete_endpoint_log_group(client(session, "logs"), "whippet-dev")
