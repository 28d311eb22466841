"""A deployed stage keeps its key; AWS is botocore's stub."""

import pytest
from botocore.stub import Stubber

from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tests.tools.deployment.test_preflight import (
    _no_credentials,  # noqa: F401 - a fixture
    session,
)
from tests.tools.stubbed_session import stubbed_client
from tools.cdk import ROOT
from tools.console import ToolError
from tools.deployment.encryption import encryption_problem
from tools.deployment.preflight import check_account

BUCKET = ("AWS::S3::Bucket", "datasets")
KEY = ("AWS::KMS::Key", "1a2b-3c4d")


def settings(encryption: str, stage: str = "dev") -> StageSettings:
    return with_changes(load_stage_settings(stage, ROOT / "config"), encryption=encryption)


def holds(stub: Stubber, stage: str, *resources: tuple[str, str]) -> None:
    summaries = [
        {
            "ResourceType": kind,
            "PhysicalResourceId": id_,
            "LogicalResourceId": "L",
            "LastUpdatedTimestamp": 0,
            "ResourceStatus": "CREATE_COMPLETE",
        }
        for kind, id_ in resources
    ]
    stub.add_response(
        "list_stack_resources",
        {"StackResourceSummaries": summaries},
        {"StackName": f"whippet-{stage}-storage"},
    )


@pytest.mark.parametrize(
    ("stage", "fate"),
    [("dev", "CloudFormation would delete it"), ("prod", "no role could use it any more")],
)
def test_a_key_that_objects_need_is_not_taken_away(stage: str, fate: str) -> None:
    client = stubbed_client("cloudformation")
    with Stubber(client) as stub:
        holds(stub, stage, BUCKET, KEY)
        problem = encryption_problem(settings("aws", stage), client)
    assert problem is not None
    assert f'config/{stage}.toml sets encryption = "aws"' in problem
    assert "KMS key 1a2b-3c4d" in problem
    assert fate in problem
    assert 'Set encryption = "kms"' in problem
    assert f"make destroy STAGE={stage}" in problem


def test_a_stage_that_never_had_a_key_is_deployed_without_one() -> None:
    client = stubbed_client("cloudformation")
    with Stubber(client) as stub:
        holds(stub, "dev", BUCKET)
        assert encryption_problem(settings("aws"), client) is None


def test_a_stage_that_is_not_deployed_is_free_to_choose() -> None:
    client = stubbed_client("cloudformation")
    with Stubber(client) as stub:
        stub.add_client_error(
            "list_stack_resources",
            "ValidationError",
            "Stack with id whippet-dev-storage does not exist",
        )
        assert encryption_problem(settings("aws"), client) is None


def test_a_key_may_be_added_whatever_is_deployed() -> None:
    # Without any call: the stub has no responses.
    client = stubbed_client("cloudformation")
    with Stubber(client):
        assert encryption_problem(settings("kms"), client) is None


def test_make_deploy_refuses_before_anything_is_deployed() -> None:
    with session(bootstrapped=True) as account:
        holds(account.stubs["cloudformation"], "dev", KEY)
        with pytest.raises(ToolError, match=r"cannot be deployed yet:\n.*KMS key 1a2b-3c4d"):
            check_account(settings("aws"), account, None)
