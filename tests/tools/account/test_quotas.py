"""The check of an account's quotas; AWS is botocore's stub."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from stacks.settings.api import ConcurrencySchedule
from stacks.settings.capacity_schedule import CapacitySchedule
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tests.tools.stubbed_session import (
    ALL_INSTANCES,
    BATCH,
    SPOT_TRAINING,
    TRAINING,
    StubbedSession,
    add_quota,
    add_stack_resources,
)
from tools.account import quotas
from tools.account.quotas import Shortage, quota_shortages
from tools.cdk import ROOT
from tools.console import ToolError

INSTANCES = "ml.m5.large for endpoint usage"
ROLE = "arn:aws:iam::123456789012:role/api-gateway-logs"
EVENING = ConcurrencySchedule(cron="0 18 * * ? *", time_zone="UTC", provisioned_concurrency=40)


@pytest.fixture
def session() -> Iterator[StubbedSession]:
    with ExitStack() as stack:
        yield StubbedSession(stack)


def stage(**api: Any) -> StageSettings:
    """Return prod's settings with changes in [api]."""
    prod = load_stage_settings("prod", ROOT / "config")
    return with_changes(prod, api=with_changes(prod.api, **api))


def with_serving(settings: StageSettings, **changes: Any) -> StageSettings:
    return with_changes(settings, serving=with_changes(settings.serving, **changes))


def add_concurrency(
    session: StubbedSession, *, limit: int, unreserved: int, own: int | None = None
) -> None:
    """Stub Lambda's quota and the deployed proxy's reservation; None: not deployed."""
    functions, stacks = session.stubs["lambda"], session.stubs["cloudformation"]
    limits = {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": unreserved}
    functions.add_response("get_account_settings", {"AccountLimit": limits})
    stack = {"StackName": "whippet-prod-api"}
    if own is None:
        stacks.add_client_error(
            "list_stack_resources",
            "ValidationError",
            "Stack with id whippet-prod-api does not exist",
            expected_params=stack,
        )
        return
    add_stack_resources(
        session,
        "whippet-prod-api",
        Api=("AWS::ApiGateway::RestApi", "id-of-Api"),
        Proxy=("AWS::Lambda::Function", "id-of-Proxy"),
    )
    reserved = {"ReservedConcurrentExecutions": own} if own else {}
    functions.add_response("get_function_concurrency", reserved, {"FunctionName": "id-of-Proxy"})


def shortages(settings: StageSettings, session: StubbedSession) -> list[Shortage]:
    found = list(quota_shortages(settings, session, "eu-west-1"))  # type: ignore[arg-type] # has what is used of a session
    for stub in session.stubs.values():
        stub.assert_no_pending_responses()
    return found


def problems(settings: StageSettings, session: StubbedSession) -> list[str]:
    return [each.message for each in shortages(settings, session) if each.prevents_deployment]


@pytest.mark.parametrize(
    ("value", "minimum", "suffices", "prevents"),
    [
        (6.0, 1, True, False),
        # An update of a fleet that has not scaled out needs less.
        (5.0, 1, False, False),
        (2.0, 1, False, False),
        (1.0, 1, False, True),
        (0.0, 1, False, True),
        (4.0, 2, False, False),
        (3.0, 2, False, True),
        (6.0, 3, True, False),
        (5.0, 3, False, True),
    ],
)
def test_an_update_needs_twice_the_running_fleet(
    session: StubbedSession, value: float, minimum: int, suffices: bool, prevents: bool
) -> None:
    add_quota(session, INSTANCES, value)
    found = shortages(
        with_serving(stage(provisioned_concurrency=0), min_instance_count=minimum), session
    )
    assert suffices == (found == [])
    if not suffices:
        (shortage,) = found
        assert shortage.prevents_deployment == prevents
        assert f"{INSTANCES!r} is {value:g} and the stage prod needs 6" in shortage.message
        assert "serving.max_instance_count = 3" in shortage.message
        assert "serving.instance_type in config/prod.toml" in shortage.message
        meanwhile = f"Until then an update fails while more than {int(value) // 2} run."
        assert (meanwhile in shortage.message) != prevents


def test_a_schedules_maximum_counts(session: StubbedSession) -> None:
    add_quota(session, INSTANCES, 17.0)
    entry = CapacitySchedule(
        cron="0 7 * * ? *", time_zone="UTC", min_instance_count=1, max_instance_count=9
    )
    scheduled = with_serving(stage(provisioned_concurrency=0), capacity_schedule=(entry,))
    (shortage,) = shortages(scheduled, session)
    assert not shortage.prevents_deployment
    assert "needs 18: an update runs two fleets of up to max_instance_count of" in shortage.message


def test_all_types_together_have_a_quota_too(session: StubbedSession) -> None:
    add_quota(session, INSTANCES, 6, all_instances=1)
    (problem,) = problems(stage(provisioned_concurrency=0), session)
    assert f"{ALL_INSTANCES!r} is 1 and the stage prod needs 6" in problem


def test_the_default_quota_applies_if_the_account_has_no_own_value(
    session: StubbedSession,
) -> None:
    stub = session.stubs["service-quotas"]
    stub.add_response("list_service_quotas", {"Quotas": []})
    default = [{"QuotaName": INSTANCES, "Value": 1.0}]
    stub.add_response(
        "list_aws_default_service_quotas", {"Quotas": default}, {"ServiceCode": "sagemaker"}
    )
    (problem,) = problems(stage(provisioned_concurrency=0), session)
    assert "is 1 and" in problem


def test_a_type_that_the_region_does_not_offer_has_a_quota_of_zero(
    session: StubbedSession,
) -> None:
    stub = session.stubs["service-quotas"]
    for operation in ("list_service_quotas", "list_aws_default_service_quotas"):
        stub.add_response(operation, {"Quotas": []})
    (problem,) = problems(stage(provisioned_concurrency=0), session)
    assert "is 0 and" in problem


@pytest.mark.parametrize(
    ("limit", "unreserved", "own", "api", "suffices"),
    [
        # Three provisioned in an account as AWS gives it first, and in an ordinary one.
        (10, 10, None, {}, False),
        (1000, 1000, None, {}, True),
        # A hundred stay unreserved.
        (103, 103, None, {}, True),
        (102, 102, None, {}, False),
        (1000, 102, None, {}, False),
        # The schedule's largest number counts.
        (1000, 140, None, {"provisioned_concurrency_schedule": (EVENING,)}, True),
        (1000, 139, None, {"provisioned_concurrency_schedule": (EVENING,)}, False),
        # A reservation holds what is provisioned.
        (1000, 150, None, {"reserved_concurrency": 50}, True),
        (1000, 149, None, {"reserved_concurrency": 50}, False),
        # What the deployed proxy has is its own to take again.
        (1000, 100, 50, {"reserved_concurrency": 50}, True),
        (1000, 100, 49, {"reserved_concurrency": 50}, False),
        (1000, 103, 0, {}, True),
    ],
)
def test_concurrency_leaves_the_unreserved_part_that_lambda_requires(
    session: StubbedSession,
    limit: int,
    unreserved: int,
    own: int | None,
    api: dict[str, Any],
    suffices: bool,
) -> None:
    add_quota(session, INSTANCES, 6)
    add_concurrency(session, limit=limit, unreserved=unreserved, own=own)
    assert (problems(stage(**api), session) == []) == suffices


def test_a_shortage_of_concurrency_says_what_to_request_and_what_to_change(
    session: StubbedSession,
) -> None:
    add_quota(session, INSTANCES, 6)
    add_concurrency(session, limit=200, unreserved=80, own=20)
    (problem,) = problems(stage(), session)
    assert "quota 'Concurrent executions' is 200: 100 are reserved elsewhere" in problem
    assert "100 must stay unreserved, 0 are left, and the stage prod needs 3" in problem
    assert "at least 203 in Service Quotas" in problem
    assert "config/prod.toml: api.reserved_concurrency" in problem
    assert "api.provisioned_concurrency" in problem


def test_a_missing_permission_for_quotas_is_named(session: StubbedSession) -> None:
    session.stubs["service-quotas"].add_client_error("list_service_quotas", "AccessDeniedException")
    (problem,) = problems(stage(), session)
    assert "servicequotas:ListServiceQuotas" in problem
    assert "lambda:GetAccountSettings" in problem


def set_logging_role(session: StubbedSession, role: str | None) -> None:
    response = {"cloudwatchRoleArn": role} if role else {}
    session.stubs["apigateway"].add_response("get_account", response)


@pytest.fixture
def command(session: StubbedSession, monkeypatch: pytest.MonkeyPatch) -> StubbedSession:
    """Use the stubs in `python -m tools.account.quotas --stage prod`."""
    monkeypatch.setattr(sys, "argv", ["quotas", "--stage", "prod"])
    monkeypatch.setattr("boto3.session.Session", lambda: session)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    identity = {"Account": "123456789012", "UserId": "u", "Arn": "arn:aws:iam::123456789012:user/u"}
    session.stubs["sts"].add_response("get_caller_identity", identity)
    return session


def test_the_command_shows_each_quota(
    command: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    set_logging_role(command, ROLE)
    add_quota(command, INSTANCES, 8)
    add_concurrency(command, limit=1000, unreserved=1000)
    quotas.main()
    assert capsys.readouterr().out.splitlines()[-6:] == [
        f"✓ SageMaker: {INSTANCES}: 6 needed, 8 available",
        f"✓ SageMaker: {ALL_INSTANCES}: 6 needed, 20 available",
        f"✓ SageMaker: {TRAINING}: 1 needed, 1 available",
        f"✓ SageMaker: {BATCH}: 1 needed, 1 available",
        "✓ Lambda: Concurrent executions: 3 needed, 900 available",
        "✓ API Gateway: logging role",
    ]


def test_the_command_fails_where_api_gateway_has_no_logging_role(
    command: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    add_quota(command, INSTANCES, 8)
    add_concurrency(command, limit=1000, unreserved=1000)
    set_logging_role(command, None)
    with pytest.raises(ToolError, match=r"^API Gateway has no logging role .* config/prod\.toml"):
        quotas.main()
    assert capsys.readouterr().out.endswith("✗ API Gateway: logging role\n")


def test_the_command_fails_where_one_does_not_suffice(
    command: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    set_logging_role(command, ROLE)
    add_quota(command, INSTANCES, 8)
    add_concurrency(command, limit=10, unreserved=10)
    with pytest.raises(ToolError, match="at least 103 in Service Quotas"):
        quotas.main()
    assert "✗ Lambda: Concurrent executions: 3 needed, 0 available" in capsys.readouterr().out


def test_the_command_fails_where_no_training_job_can_run(
    command: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    set_logging_role(command, ROLE)
    add_quota(command, INSTANCES, 8, training=0)
    add_concurrency(command, limit=1000, unreserved=1000)
    with pytest.raises(ToolError, match=rf"{TRAINING}' is 0 and a training job of the stage prod"):
        quotas.main()
    assert f"✗ SageMaker: {TRAINING}: 1 needed, 0 available" in capsys.readouterr().out


def test_the_command_checks_what_it_may_read(
    command: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    add_quota(command, INSTANCES, 8)
    add_concurrency(command, limit=1000, unreserved=1000)
    command.stubs["apigateway"].add_client_error("get_account", "AccessDeniedException")
    with pytest.raises(ToolError, match=r"^Your credentials may not read whether API"):
        quotas.main()
    printed = capsys.readouterr().out.splitlines()
    assert f"✓ SageMaker: {INSTANCES}: 6 needed, 8 available" in printed

    identity = {"Account": "123456789012", "UserId": "u", "Arn": "arn:aws:iam::123456789012:u/u"}
    command.stubs["sts"].add_response("get_caller_identity", identity)
    command.stubs["service-quotas"].add_client_error("list_service_quotas", "AccessDeniedException")
    set_logging_role(command, ROLE)
    with pytest.raises(ToolError, match="servicequotas:ListServiceQuotas"):
        quotas.main()
    assert capsys.readouterr().out.endswith("✓ API Gateway: logging role\n")


def test_a_stage_is_deployed_where_no_training_job_can_run(session: StubbedSession) -> None:
    add_quota(session, INSTANCES, 6, training=0)
    assert problems(stage(provisioned_concurrency=0), session) == []


def problems_of_training(session: StubbedSession, **changes: Any) -> list[str]:
    add_quota(session, INSTANCES, 6, training=4)
    prod = stage(provisioned_concurrency=0)
    training = with_changes(prod.training, **changes)
    return [each.message for each in shortages(with_changes(prod, training=training), session)]


def test_every_machine_of_a_training_job_counts(session: StubbedSession) -> None:
    assert problems_of_training(session, instance_count=4) == []
    (problem,) = problems_of_training(session, instance_count=5)
    assert f"{TRAINING!r} is 4 and a training job of the stage prod needs 5" in problem
    assert "or a lower training.instance_count" in problem


def test_spot_capacity_has_a_quota_of_its_own(session: StubbedSession) -> None:
    (problem,) = problems_of_training(session, use_spot=True)
    assert f"{SPOT_TRAINING!r} is 0 and a training job of the stage prod needs 1" in problem


def test_a_batch_job_needs_a_quota_that_a_deployment_does_not(session: StubbedSession) -> None:
    prod = stage(provisioned_concurrency=0)
    settings = with_changes(prod, batch=with_changes(prod.batch, instance_count=3))
    add_quota(session, INSTANCES, 6, batch=3)
    assert shortages(settings, session) == []
    add_quota(session, INSTANCES, 6, batch=2)
    (shortage,) = shortages(settings, session)
    assert not shortage.prevents_deployment
    assert f"{BATCH!r} is 2 and a batch job of the stage prod needs 3" in shortage.message
    assert "or a lower batch.instance_count in config/prod.toml" in shortage.message
