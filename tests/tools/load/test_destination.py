"""Where the requests of a stage go, and a first request to it."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from stacks.settings.stage import StageSettings
from tests.tools.local.api import Api, Response, predicted
from tests.tools.stubbed_session import StubbedSession, stubbed_client
from tools.cdk import ROOT
from tools.console import ToolError
from tools.load import destination
from tools.load.destination import Stage, find_stage
from tools.local.deployment import LocalDeployment

SETTINGS = StageSettings.model_validate({"stage": "dev"})
LOCAL = StageSettings.model_validate({"stage": "local"})
PHOTO = ROOT / "samples" / "cat.jpg"
PAUSED = Response(503, {"error": {"code": "endpoint_paused", "message": "Resume it."}})
API_URL = "https://abc.execute-api.eu-west-1.amazonaws.com/v1/"


def probe(monkeypatch: pytest.MonkeyPatch, *responses: Response) -> tuple[float, int]:
    monkeypatch.setattr(destination, "_WAIT_SECONDS", 0.0)
    with Api(*responses) as api:
        stage = Stage(
            settings=SETTINGS, client=stubbed_client, environment={}, minute_seconds=60.0,
            api=(api.url, "k"),
        )  # fmt: skip
        seconds = stage.probe(PHOTO, "image/jpeg")
        return seconds, len(api.received)


def test_the_second_response_tells_how_long_a_request_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cold, warm = predicted(delay_seconds=1.2), predicted(delay_seconds=0.05)
    seconds, count = probe(monkeypatch, cold, warm)
    assert 0.04 < seconds < 1.0
    assert count == 2


def test_a_stage_that_is_busy_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe(monkeypatch, PAUSED, Response(429, {}), predicted(), predicted())[1] == 4


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (PAUSED, "503: endpoint_paused: Resume it."),
        (Response(403, {"message": "Forbidden"}), "403: Forbidden"),
        (Response(413, b"<html>"), "413: <html>"),
    ],
)
def test_a_stage_that_does_not_respond(
    response: Response, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ToolError) as raised:
        probe(monkeypatch, response)
    assert str(raised.value).startswith("Nothing was sent: the response to a first request is ")
    assert str(raised.value).endswith(message)


def test_an_api_that_is_not_there() -> None:
    stage = Stage(
        settings=SETTINGS, client=stubbed_client, environment={}, minute_seconds=60.0,
        api=("http://127.0.0.1:1/", "k"),
    )  # fmt: skip
    with pytest.raises(ToolError, match=r"^http://127\.0\.0\.1:1/ cannot be reached \(.*refused"):
        stage.probe(PHOTO, "image/jpeg")


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubbedSession]:
    with ExitStack() as stack:
        stubbed = StubbedSession(stack)
        monkeypatch.setattr(destination, "clients_of", lambda *_: stubbed_client)
        yield stubbed


def described(**outputs: str) -> dict[str, Any]:
    return {
        "Stacks": [
            {"StackName": "whippet-dev-api", "CreationTime": 0, "StackStatus": "CREATE_COMPLETE"}
            | {
                "Outputs": [
                    {"OutputKey": key, "OutputValue": value} for key, value in outputs.items()
                ]
            }
        ]
    }


def test_a_stage_on_aws_has_its_api_in_an_output_and_its_key_in_api_gateway(
    session: StubbedSession,
) -> None:
    named = {"StackName": "whippet-dev-api"}
    for _ in range(2):
        session.stubs["cloudformation"].add_response(
            "describe_stacks", described(ApiUrl=API_URL, ApiKeyId="key1"), named
        )
    session.stubs["apigateway"].add_response(
        "get_api_key", {"value": "secret"}, {"apiKey": "key1", "includeValue": True}
    )
    stage = find_stage(SETTINGS, through_api=True, deployment=Path("none"))
    to = stage.destination()
    assert (to.url, to.headers["x-api-key"], to.region) == (f"{API_URL}predict", "secret", None)
    assert stage.minute_seconds == 60


def test_the_endpoint_needs_neither_api_nor_key(
    session: StubbedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    stage = find_stage(SETTINGS, through_api=False, deployment=Path("none"))
    to = stage.destination()
    address = "https://runtime.sagemaker.eu-west-1.amazonaws.com"
    assert to.url == f"{address}/endpoints/whippet-dev/invocations"
    assert (to.region, to.certificates) == ("eu-west-1", None)
    assert "x-api-key" not in to.headers
    assert session.stubs.keys() >= {"apigateway"}


def test_a_stage_that_is_not_deployed(session: StubbedSession, tmp_path: Path) -> None:
    missing = "Stack with id whippet-dev-api does not exist"
    session.stubs["cloudformation"].add_client_error("describe_stacks", "ValidationError", missing)
    with pytest.raises(ToolError, match="dev is not deployed: run `make deploy STAGE=dev`"):
        find_stage(SETTINGS, through_api=True, deployment=tmp_path)


def test_an_api_whose_stack_has_no_address(session: StubbedSession, tmp_path: Path) -> None:
    for _ in range(2):
        session.stubs["cloudformation"].add_response("describe_stacks", described(ApiKeyId="key1"))
    session.stubs["apigateway"].add_response("get_api_key", {"value": "secret"})
    with pytest.raises(ToolError, match="whippet-dev-api has no output ApiUrl: wait for"):
        find_stage(SETTINGS, through_api=True, deployment=tmp_path)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_local_cloud_that_runs_or_not(
    listening: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "none")
    certificate, file = tmp_path / "certificate.pem", tmp_path / "local.json"
    with pytest.raises(ToolError, match=r"nothing is deployed\. Run `make up`"):
        find_stage(LOCAL, through_api=True, deployment=file)
    certificate.touch()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    LocalDeployment(
        api_url="http://127.0.0.1:1/v1/", api_key="k", page_url=None, endpoint_name="e", labels=[],
        environment={
            "AWS_ACCESS_KEY_ID": "1", "AWS_SECRET_ACCESS_KEY": "2", "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url, "AWS_CA_BUNDLE": str(certificate),
        },
        logs="", minute_seconds=2.0,
    ).write(file)  # fmt: skip
    stage = find_stage(LOCAL, through_api=False, deployment=file)
    assert stage.minute_seconds == 2
    assert "AWS_PROFILE" not in stage.environment
    to = stage.destination()
    assert to.url == f"{url}/endpoints/whippet-local/invocations"
    assert to.certificates == str(certificate)
    listening.close()
    with pytest.raises(ToolError, match=r"does not respond at http://127.*start it with `make up`"):
        find_stage(LOCAL, through_api=False, deployment=file)
