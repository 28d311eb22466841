"""A stage that starts from a preset, invoked as its system was."""

import base64
import http.client
import json
import math
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.local.functions import ALIAS_NAME, proxy_function
from tests.local.presets.conftest import Client
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment

CAT = ROOT / "samples" / "cat.jpg"
IMAGE = base64.b64encode(CAT.read_bytes()).decode()


@pytest.fixture
def labels(model: Path) -> list[str]:
    found: list[str] = json.loads((model / "manifest.json").read_text())["labels"]
    return found


def curl(deployment: LocalDeployment, *headers: str) -> tuple[int, Any]:
    command = ["curl", "--silent", "--noproxy", "*", "-w", "\n%{http_code}"]
    for header in headers:
        command += ["-H", header]
    command += ["--data-binary", f"@{CAT}", f"{deployment.api_url}predict"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    body, _, status = ended.stdout.rpartition("\n")
    return int(status), json.loads(body)


def invoke(client: Client, event: Any) -> tuple[int, Any]:
    invoked = client("lambda").invoke(
        FunctionName=proxy_function(client), Qualifier=ALIAS_NAME, Payload=json.dumps(event)
    )
    assert "FunctionError" not in invoked
    response = json.loads(invoked["Payload"].read())
    assert response["headers"]["Content-Type"] == "application/json"
    return response["statusCode"], json.loads(response["body"])


def test_curl_classifies_with_the_key_and_not_without(
    deployment: LocalDeployment, labels: list[str]
) -> None:
    key = f"x-api-key: {deployment.api_key}"
    status, body = curl(deployment, key, "Content-Type: image/jpeg")
    assert status == 200, body
    assert len(body["predictions"]) == 5
    assert {each["label"] for each in body["predictions"]} <= set(labels)
    assert curl(deployment, "Content-Type: image/jpeg")[0] == 403
    assert curl(deployment, f"{key}x", "Content-Type: image/jpeg")[0] == 403


def test_the_page_classifies(deployment: LocalDeployment) -> None:
    address = urlsplit(deployment.page_url or "")
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    connection.request("GET", "/config.js")
    settings = connection.getresponse()
    assert settings.headers["Cache-Control"] == "no-cache"
    assert settings.read().startswith(b"window.WHIPPET = ")
    headers = {"Content-Type": "application/json", "x-api-key": deployment.api_key}
    body = json.dumps({"image": IMAGE}).encode()
    connection.request("POST", "/api/predict", body, headers)
    response = connection.getresponse()
    predictions = json.loads(response.read())["predictions"]
    connection.close()
    assert response.status == 200
    found = [each["probability"] for each in predictions]
    assert len(found) == 5
    assert found == sorted(found, reverse=True)


def test_an_event_gets_the_scores_of_all_classes_in_their_order(
    client: Client, labels: list[str]
) -> None:
    event = {"image": IMAGE, "order": "class"}
    status, body = invoke(client, event)
    assert status == 200, body
    probabilities = [each["probability"] for each in body["predictions"]]
    assert [each["label"] for each in body["predictions"]] == labels
    assert [each["index"] for each in body["predictions"]] == list(range(len(labels)))
    assert sum(probabilities) == pytest.approx(1, abs=1e-3)
    _, body = invoke(client, event | {"scores": "logits"})
    raw = [each["logit"] for each in body["predictions"]]
    total = sum(map(math.exp, raw))
    assert [math.exp(each) / total for each in raw] == pytest.approx(probabilities, abs=1e-3)
    assert len(set(raw)) > 1


def test_an_event_may_name_a_url_of_the_hosts_alone(client: Client) -> None:
    function = client("lambda").get_function_configuration(FunctionName=proxy_function(client))
    host = function["Environment"]["Variables"].get("URL_ALLOWED_HOSTS")
    status, body = invoke(client, {"url": "https://images.example.com/dog.jpg"})
    refused = "url_not_allowed" if host else "url_disabled"
    assert (status, body["error"]["code"]) == (400, refused), body
    if host:
        # Of a host that is allowed it is fetched, which fails where there is no such image.
        status, body = invoke(client, {"url": f"https://{host}/whippet-tests/missing.jpg"})
        assert body["error"]["code"] not in {refused, "internal_error"}, body
