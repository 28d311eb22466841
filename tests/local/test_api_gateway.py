"""API Gateway: keys, throttles, and what it passes on to the proxy."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from classifier_proxy.parameters import PARAMETER_NAMES
from stacks.components.api.gateway_errors import GATEWAY_ERRORS
from stacks.settings.stage import load_stage_settings
from tests.local.api_requests import Request, Response, classify, send
from tests.local.conftest import run_tool
from tests.local.test_api import GOOD
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment

MESSAGES = {error.kind: error.message for error in GATEWAY_ERRORS}
SETTINGS = load_stage_settings("local", ROOT / "config").api


def send_health(deployment: LocalDeployment) -> Response:
    """Send a request without a key."""
    return send(deployment, Request(method="GET", path="health", content_type=None, key=""))


@pytest.fixture
def refilled(deployment: LocalDeployment) -> Iterator[None]:
    """Leave the throttle of health as full as it was found."""
    yield
    time.sleep(SETTINGS.health_burst_requests / SETTINGS.health_requests_per_second)
    assert send_health(deployment).status != 429


def test_health_reaches_the_proxy_without_a_key(deployment: LocalDeployment) -> None:
    response = send_health(deployment)
    # API Gateway responds with 403 to a missing key and to an unknown route.
    assert response.status != 403, response
    assert response.body["request_id"]


@pytest.mark.usefixtures("refilled")
def test_health_is_throttled_by_itself(deployment: LocalDeployment) -> None:
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: send_health(deployment), range(400)))
    refused = [response for response in responses if response.status == 429]
    assert len(responses) - len(refused) >= SETTINGS.health_burst_requests
    assert refused
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].body["error"] == {"code": "throttled", "message": MESSAGES["THROTTLED"]}
    # Requests without a key do not throttle requests with one.
    assert classify(deployment, b"", "application/json")[0] != 429


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ({"image": "aGk=", "url": "https://images.example.com/cat.jpg"}, "invalid_request", "JSON"),
        ({}, "invalid_request", "JSON"),
        ({"photo": "aGk="}, "invalid_request", "the only other members are order, scores, top_k"),
        ({"image": ""}, "empty_body", "no image"),
        ({"url": 1}, "invalid_request", '"url" must be a string'),
        ([], "invalid_request", "JSON"),
    ],
    ids=json.dumps,
)
def test_json_that_is_not_one_image_is_refused_by_the_proxy(
    deployment: LocalDeployment, body: object, code: str, said: str
) -> None:
    status, response = classify(deployment, json.dumps(body).encode(), "application/json")
    assert (status, response["error"]["code"]) == (400, code)
    assert said in response["error"]["message"]


def test_the_name_of_a_header_may_be_in_lower_case(deployment: LocalDeployment) -> None:
    # As HTTP/2 writes it.
    headers = {"content-type": "image/png"}
    response = send(deployment, Request(GOOD, content_type=None, headers=headers))
    assert response.status == 200, response


def test_the_parameters_beside_an_image_are_the_proxys_to_judge(
    deployment: LocalDeployment,
) -> None:
    for name in PARAMETER_NAMES:
        values: tuple[object, ...] = (0, None, [], "x")
        for value in values:
            body = json.dumps({"image": "aGk=", name: value}).encode()
            status, response = classify(deployment, body, "application/json")
            assert (status, response["error"]["code"]) == (400, f"invalid_{name}"), response


def test_the_key_is_fetched_with_credentials(deployment: LocalDeployment, state: Path) -> None:
    ended = run_tool("tools.account.api_key", "--stage", "local", "--state-directory", str(state))
    assert ended.stdout == f"{deployment.api_key}\n"


def test_the_key_is_in_no_template_no_output_and_no_log(
    deployment: LocalDeployment, client: Callable[[str], Any], state: Path
) -> None:
    key = deployment.api_key
    assert classify(deployment, b"no image", "image/png", query="?top_k=1")[0] == 415
    read = [path for path in state.rglob("*") if path.is_file() and path.name != "local.json"]
    names = {path.relative_to(state).as_posix() for path in read}
    assert {"outputs.json", "assembly/whippet-local-api.template.json"} <= names
    assert any(name.startswith("logs/") for name in names)
    assert [path for path in read if key.encode() in path.read_bytes()] == []
    logs = client("logs")
    groups = [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]
    lines = [
        event["message"]
        for group in groups
        for event in logs.filter_log_events(logGroupName=group)["events"]
    ]
    assert lines
    assert not any(key in line for line in lines)
    stacks = client("cloudformation").describe_stacks()["Stacks"]
    assert key not in json.dumps(stacks, default=str)
