import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tools.cdk import ROOT
from tools.console import ToolError
from tools.delivery import check_deployment
from tools.delivery.check_deployment import Expected, check_once, check_until, sender
from tools.local.api_client import ApiResponse

EXPECTED = Expected(version="0123456789ab", latency_p50_ms=300)
ALIAS = "arn:aws:lambda:eu-west-1:123456789012:function:proxy:live"


@pytest.fixture
def settings() -> StageSettings:
    return load_stage_settings("dev", ROOT / "config")


class FakeAws:
    """Clients of what the check reads; the function returns one response."""

    def __init__(
        self, *, status: str = "InService", response: Any = None, paused: str = "false"
    ) -> None:
        self._paused = paused
        self._status = status
        self._response = response
        self.invoked: list[dict[str, Any]] = []

    def __call__(self, service: str) -> Any:
        assert service in {"sagemaker", "ssm", "lambda", "apigateway"}
        return self

    def describe_endpoint(self, EndpointName: str) -> dict[str, str]:  # noqa: N803 - boto3's
        assert EndpointName == "whippet-dev"
        return {"EndpointStatus": self._status}

    def get_parameter(self, Name: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        values = {
            "/whippet/dev/api-url": "https://example.com/v1/",
            "/whippet/dev/api-key-id": "id",
            "/whippet/dev/proxy-alias-arn": ALIAS,
            "/whippet/dev/paused": self._paused,
        }
        return {"Parameter": {"Value": values[Name]}}

    def invoke(self, **given: Any) -> dict[str, Any]:
        self.invoked.append(given)
        return {"Payload": io.BytesIO(json.dumps(self._response).encode())}


def response(
    milliseconds: float = 10, *, version: str = EXPECTED.version, status: int = 200
) -> ApiResponse:
    return ApiResponse(
        status=status, content={"model": {"version": version}}, milliseconds=milliseconds
    )


def check(settings: StageSettings, *responses: ApiResponse, status: str = "InService") -> float:
    left = iter(responses)
    return check_once(settings, FakeAws(status=status), lambda: next(left), EXPECTED)


def test_three_responses_of_the_model_pass_with_their_median(settings: StageSettings) -> None:
    assert check(settings, response(10), response(9999), response(300)) == 300


@pytest.mark.parametrize(
    ("responses", "reason"),
    [
        ([response(version="ffffffffffff")], "version ffffffffffff, expected 0123456789ab"),
        ([response(), response(), response(status=503)], "the status 503"),
        ([ApiResponse(status=200, content="<html>", milliseconds=1)], "version None"),
        ([response(301), response(10), response(999)], "is 301 ms, expected at most 300 ms"),
    ],
)
def test_one_wrong_response_fails(
    settings: StageSettings, responses: list[ApiResponse], reason: str
) -> None:
    with pytest.raises(ToolError, match=reason):
        check(settings, *responses)


def test_the_endpoint_must_be_in_service(settings: StageSettings) -> None:
    with pytest.raises(ToolError, match="whippet-dev is Updating"):
        check(settings, status="Updating")


class Clock:
    """A clock that only sleeping advances."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_it_is_tried_for_two_minutes_and_a_reason_is_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock, tried = Clock(), []

    def fail() -> float:
        tried.append(clock())
        raise ToolError("slow")

    with pytest.raises(ToolError, match=r"slow \(tried for 120 s\)"):
        check_until(fail, clock=clock, sleep=clock.sleep)
    assert (tried[0], tried[-1], len(tried)) == (0, 120, 25)
    assert capsys.readouterr().out == "  not yet: slow\n"


def test_it_ends_with_the_first_success() -> None:
    clock = Clock()
    results: Iterator[ToolError | float] = iter([ToolError("no"), 7.0])

    def attempt() -> float:
        result = next(results)
        if isinstance(result, ToolError):
            raise result
        return result

    assert check_until(attempt, clock=clock, sleep=clock.sleep) == 7
    assert clock() == 5


@pytest.mark.parametrize(
    "api", [{"allowed_address_ranges": ("192.0.2.0/24",)}, {"firewall_enabled": True}]
)
def test_a_closed_api_is_checked_by_its_function(
    settings: StageSettings, api: dict[str, Any]
) -> None:
    body = json.dumps({"model": {"version": EXPECTED.version}})
    aws = FakeAws(response={"statusCode": 200, "headers": {}, "body": body})
    closed = with_changes(settings, api=with_changes(settings.api, **api))
    assert check_once(closed, aws, sender(closed, aws), EXPECTED) > 0
    assert len(aws.invoked) == 3
    (given,) = {(each["FunctionName"], each["Payload"]) for each in aws.invoked}
    assert given[0] == ALIAS
    image = base64.b64decode(json.loads(given[1])["image"])
    assert image == (ROOT / "samples" / "cat.jpg").read_bytes()


def test_a_function_that_crashed_is_said(settings: StageSettings) -> None:
    aws = FakeAws(response={"errorMessage": "timed out"})
    closed = with_changes(settings, api=with_changes(settings.api, firewall_enabled=True))
    with pytest.raises(ToolError, match=r"The function failed: .*timed out"):
        check_once(closed, aws, sender(closed, aws), EXPECTED)


def test_a_paused_stage_passes_and_says_so(
    settings: StageSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws = FakeAws(paused="true")
    monkeypatch.setattr("sys.argv", ["check", "--stage", settings.stage])
    monkeypatch.setattr(check_deployment, "require_lock", lambda _: EXPECTED)
    monkeypatch.setattr(check_deployment, "stage_clients", lambda *_: aws)
    check_deployment.main()
    printed = capsys.readouterr().out
    assert "The stage dev is paused" in printed
    assert "nothing was checked" in printed
    assert aws.invoked == []
