"""`make api-key`; AWS is botocore's stub."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.tools.stubbed_session import StubbedSession
from tools.account import api_key
from tools.console import ToolError, run_tool

KEY_ID = "a1b2c3d4e5"
SECRET = "the-key-that-opens-the-api"


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubbedSession]:
    """Stubs of an account for `python -m tools.account.api_key --stage dev`."""
    identity = {"Account": "123456789012", "UserId": "u", "Arn": "arn:aws:iam::123456789012:user/u"}
    monkeypatch.setattr(sys, "argv", ["api_key", "--stage", "dev"])
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with ExitStack() as stack:
        stubbed = StubbedSession(stack)
        stubbed.stubs["sts"].add_response("get_caller_identity", identity)
        monkeypatch.setattr("boto3.session.Session", lambda: stubbed)
        yield stubbed


def add_stack(session: StubbedSession, outputs: dict[str, str]) -> None:
    stack: dict[str, Any] = {"StackName": "whippet-dev-api", "CreationTime": 0}
    stack["StackStatus"] = "CREATE_IN_PROGRESS"
    stack["Outputs"] = [{"OutputKey": key, "OutputValue": outputs[key]} for key in outputs]
    session.stubs["cloudformation"].add_response(
        "describe_stacks", {"Stacks": [stack]}, {"StackName": "whippet-dev-api"}
    )


def test_the_key_is_printed_alone(
    session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    add_stack(session, {"ApiUrl": "https://x", "ApiKeyId": KEY_ID})
    session.stubs["apigateway"].add_response(
        "get_api_key",
        {"id": KEY_ID, "value": SECRET},
        {"apiKey": KEY_ID, "includeValue": True},
    )
    api_key.main()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (f"{SECRET}\n", "")


def test_a_missing_permission_is_named_and_no_key_is_printed(
    session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    add_stack(session, {"ApiKeyId": KEY_ID})
    session.stubs["apigateway"].add_client_error("get_api_key", "AccessDeniedException")
    with pytest.raises(SystemExit) as ended:
        run_tool(api_key.main)
    assert ended.value.code == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "apigateway:GET on arn:aws:apigateway:<region>::/apikeys/a1b2c3d4e5" in captured.err


def test_nothing_deployed(session: StubbedSession) -> None:
    session.stubs["cloudformation"].add_client_error(
        "describe_stacks", "ValidationError", "Stack with id whippet-dev-api does not exist"
    )
    with pytest.raises(ToolError, match=r"run `make deploy STAGE=dev` first"):
        api_key.main()


def test_a_stack_that_is_not_there_yet(session: StubbedSession) -> None:
    add_stack(session, {})
    with pytest.raises(ToolError, match="is CREATE_IN_PROGRESS and has no API key yet"):
        api_key.main()
