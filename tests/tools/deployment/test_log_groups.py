"""The log groups that SageMaker creates; tests/local imports one with its events."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.tools.stubbed_session import StubbedSession, add_unmanaged_log_group
from tools.console import ToolError
from tools.deployment.log_groups import (
    JOB_LOG_GROUPS,
    delete_endpoint_log_group,
    expire_job_logs,
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


def add_groups(session: StubbedSession, name: str, group: dict[str, Any] | None) -> None:
    other = {"logGroupName": f"{name}-of-another", "retentionInDays": 1}
    groups = [other] if group is None else [other, {"logGroupName": name} | group]
    session.stubs["logs"].add_response(
        "describe_log_groups", {"logGroups": groups}, {"logGroupNamePrefix": name}
    )


def add_streams(session: StubbedSession, name: str, *streams: str) -> None:
    session.stubs["logs"].add_response(
        "describe_log_streams",
        {"logStreams": [{"logStreamName": stream} for stream in streams]},
        {"logGroupName": name, "limit": 1},
    )


@pytest.mark.parametrize("exists", [True, False])
def test_logs_of_jobs_expire_before_there_are_any(session: StubbedSession, exists: bool) -> None:
    logs = session.stubs["logs"]
    for name in JOB_LOG_GROUPS.values():
        add_groups(session, name, {} if exists else None)
        if exists:
            add_streams(session, name)
        else:
            logs.add_response("create_log_group", {}, {"logGroupName": name})
        logs.add_response("put_retention_policy", {}, {"logGroupName": name, "retentionInDays": 14})
    notes = expire_job_logs(client(session, "logs"), retention_days=14)
    for kind, note in zip(JOB_LOG_GROUPS, notes, strict=True):
        assert f"all {kind} jobs" in note
        assert "are now deleted after 14 days" in note


@pytest.mark.parametrize("kind", JOB_LOG_GROUPS)
def test_logs_of_other_jobs_are_not_deleted_unasked(session: StubbedSession, kind: str) -> None:
    for each, name in JOB_LOG_GROUPS.items():
        # storedBytes is some hours old, so that it is 0 after the first job.
        add_groups(session, name, {"storedBytes": 0} if each == kind else {"retentionInDays": 365})
        if each == kind:
            add_streams(session, name, "a-job-of-another-team/algo-1-1700000000")
    (note,) = expire_job_logs(client(session, "logs"), retention_days=14)
    assert note.endswith(
        f": aws logs put-retention-policy --log-group-name {JOB_LOG_GROUPS[kind]} "
        "--retention-in-days 14 --region eu-west-1"
    )


def test_a_retention_that_another_set_is_kept(session: StubbedSession) -> None:
    for name in JOB_LOG_GROUPS.values():
        add_groups(session, name, {"retentionInDays": 365})
    assert expire_job_logs(client(session, "logs"), retention_days=14) == []


def test_a_log_group_that_sagemaker_created_again_is_deleted(session: StubbedSession) -> None:
    name = {"logGroupName": "/aws/sagemaker/Endpoints/whippet-dev"}
    logs = session.stubs["logs"]
    logs.add_response("delete_log_group", {}, name)
    delete_endpoint_log_group(client(session, "logs"), "whippet-dev")
    logs.add_client_error("delete_log_group", "ResourceNotFoundException", expected_params=name)
    delete_endpoint_log_group(client(session, "logs"), "whippet-dev")
