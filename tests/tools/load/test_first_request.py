"""A first request to the endpoint itself; its server is a local one."""

from pathlib import Path

import boto3
import pytest

from stacks.settings.stage import StageSettings
from tests.tools.local.api import Api, Response
from tools.cdk import ROOT
from tools.console import ToolError
from tools.load import destination
from tools.load.destination import Stage

PHOTO = ROOT / "samples" / "cat.jpg"
GOOD = Response(200, {"predictions": []})
MODEL_ERROR = {
    "Message": "Received server error (503) from primary",
    "OriginalStatusCode": 503,
    "OriginalMessage": "overloaded",
}


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination, "_WAIT_SECONDS", 0.0)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")


def probe(url: str) -> float:
    runtime = boto3.client(
        "sagemaker-runtime", region_name="eu-west-1", endpoint_url=url,
        aws_access_key_id="x", aws_secret_access_key="x",
    )  # fmt: skip
    settings = StageSettings.model_validate({"stage": "dev"})
    stage = Stage(
        settings=settings, client=lambda _: runtime, environment={}, minute_seconds=60.0, api=None
    )
    return stage.probe(Path(PHOTO), "image/jpeg")


def test_an_endpoint_that_responds() -> None:
    with Api(GOOD) as api:
        assert probe(api.url) < 5
    assert len(api.received) == 2
    assert api.received[0].path.endswith("/endpoints/whippet-dev/invocations")
    assert api.received[0].body == PHOTO.read_bytes()


def test_the_time_of_a_call_that_the_sdk_repeated_does_not_count() -> None:
    with Api(GOOD, Response(500, {}), GOOD, GOOD) as api:
        assert probe(api.url) < 5
    assert len(api.received) == 4, "good, failed and repeated, good"


def test_an_endpoint_that_is_busy_for_a_moment() -> None:
    throttled = Response(400, {"__type": "ThrottlingException", "message": "Rate exceeded"})
    with Api(throttled, throttled, GOOD, GOOD) as api:
        assert probe(api.url) < 5
    assert len(api.received) == 4


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (
            Response(403, {"__type": "AccessDeniedException", "message": "Not authorized."}),
            "403: AccessDeniedException: Not authorized.",
        ),
        (
            Response(424, {"__type": "ModelError", **MODEL_ERROR}),
            "503: ModelError: overloaded",
        ),
    ],
)
def test_an_endpoint_that_does_not_respond(response: Response, message: str) -> None:
    with Api(response) as api, pytest.raises(ToolError) as told:
        probe(api.url)
    assert str(told.value) == f"Nothing was sent: the response to a first request is {message}"


def test_an_endpoint_that_is_not_there() -> None:
    with pytest.raises(ToolError, match=r"^Nothing was sent: the endpoint whippet-dev does not"):
        probe("http://127.0.0.1:1")
