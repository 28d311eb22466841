"""Uploads to a stage whose preset takes them, over HTTP and in the page."""

import http.client
import json
import random
import struct
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Page, expect

from tests.browser.photos import Photographer
from tests.browser.test_code import run_copied
from tests.browser.test_page import MEBIBYTE, choose, enter_key, expect_result
from tests.local.api_requests import Request, Response, send
from tests.local.functions import ALIAS_NAME, proxy_function
from tests.local.presets.conftest import Client
from tests.presigned import presigned
from tools.api_docs.error_rows import UPLOADS
from tools.aws import aws_client, stack_resources
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment

JSON = "application/json"
pytestmark = pytest.mark.usefixtures("takes_uploads")

UNUSED_KEY = f"uploads/{'0' * 32}"


@pytest.fixture(scope="module")
def buckets(client: Client) -> dict[str, str]:
    """The name of each bucket of the storage stack by the beginning of its logical id."""
    found = stack_resources(client("cloudformation"), "whippet-local-storage")
    names = [name for kind, name in found if kind == "AWS::S3::Bucket"]
    return {each: next(name for name in names if each in name) for each in ("uploads", "models")}


def noise(side: int, seed: int = 1) -> bytes:
    """A PNG that cannot be compressed: as many bytes as it has pixels, three times."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    pixels = random.Random(seed).randbytes(3 * side * side)  # noqa: S311 - no secret
    row = 3 * side
    rows = b"".join(b"\0" + pixels[start : start + row] for start in range(0, len(pixels), row))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


LARGE = noise(1300)  # 5 MB


def sign(deployment: LocalDeployment, image: bytes, content_type: str = "image/png") -> Any:
    document = {"content_type": content_type, "content_length": len(image)}
    response = send(deployment, Request(json.dumps(document).encode(), JSON, path=UPLOADS))
    assert response.status == 200, response
    return response.body


def put(address: str, body: bytes, method: str = "PUT", **headers: str) -> tuple[int, bytes]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, f"{parts.path}?{parts.query}", body, named)
    response = connection.getresponse()
    status, content = response.status, response.read()
    connection.close()
    return status, content


def upload(deployment: LocalDeployment, image: bytes, content_type: str = "image/png") -> str:
    signed = sign(deployment, image, content_type)
    status, content = put(signed["url"], image, **signed["headers"])
    assert status == 200, content
    return str(signed["key"])


def predict(deployment: LocalDeployment, key: str, **members: object) -> Response:
    return send(deployment, Request(json.dumps({"s3": key, **members}).encode(), JSON))


def invoke(deployment: LocalDeployment, client: Client, image: bytes, content_type: str) -> Any:
    """Return what the endpoint itself says of all classes."""
    invoked = client("sagemaker-runtime").invoke_endpoint(
        EndpointName=deployment.endpoint_name, Body=image, ContentType=content_type,
        CustomAttributes="order=class",
    )  # fmt: skip
    return json.loads(invoked["Body"].read())["predictions"]


def keys_of(client: Client, bucket: str) -> list[str]:
    found = client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
    return [each["Key"] for each in found]


@pytest.mark.parametrize("side", [1300, 2885])
def test_a_large_image_gets_what_the_endpoint_says_and_is_deleted(
    deployment: LocalDeployment, client: Client, buckets: dict[str, str], side: int
) -> None:
    image = noise(side, seed=side)
    assert 4 * MEBIBYTE < len(image) <= 25_000_000
    assert side == 1300 or len(image) > 24_900_000
    expected = invoke(deployment, client, image, "image/png")

    key = upload(deployment, image)
    assert keys_of(client, buckets["uploads"]) == [key]
    response = predict(deployment, key, order="class")

    assert response.status == 200, response
    assert response.body["predictions"] == expected
    assert keys_of(client, buckets["uploads"]) == []
    again = predict(deployment, key)
    assert (again.status, again.body["error"]["code"]) == (404, "upload_not_found")


def test_an_event_names_an_upload_too(deployment: LocalDeployment, client: Client) -> None:
    event = {"s3": upload(deployment, LARGE), "top_k": 1}
    invoked = client("lambda").invoke(
        FunctionName=proxy_function(client), Qualifier=ALIAS_NAME,
        Payload=json.dumps(event).encode(),
    )  # fmt: skip
    response = json.loads(invoked["Payload"].read())
    assert response["statusCode"] == 200, response


def test_an_address_takes_no_other_length_type_or_time(
    deployment: LocalDeployment, client: Client, buckets: dict[str, str]
) -> None:
    signed = sign(deployment, LARGE)
    headers = signed["headers"]
    for image, kind in ((LARGE[:-1], "image/png"), (LARGE + b"0", "image/png")):
        status, content = put(signed["url"], image, Content_Type=kind)
        assert (status, b"SignatureDoesNotMatch" in content) == (403, True), content
    for changed in ({"Content-Type": "image/jpeg"}, {"Content-Type": "text/html"}):
        status, content = put(signed["url"], LARGE, **{**headers, **changed})
        assert (status, b"SignatureDoesNotMatch" in content) == (403, True), content
    later = signed["url"].replace("X-Amz-Expires=300", "X-Amz-Expires=3000")
    status, content = put(later, LARGE, **headers)
    assert (status, b"SignatureDoesNotMatch" in content) == (403, True), content
    assert keys_of(client, buckets["uploads"]) == []
    # The address itself is still good, and may be used again until it expires.
    for _ in range(2):
        assert put(signed["url"], LARGE, **headers)[0] == 200
    assert predict(deployment, signed["key"]).status == 200


def port_of(deployment: LocalDeployment) -> int:
    return urlsplit(deployment.api_url).port or 0


def test_an_address_expires(deployment: LocalDeployment, buckets: dict[str, str]) -> None:
    address = presigned(port_of(deployment), buckets["uploads"], UNUSED_KEY, seconds=1)
    time.sleep(2.1)
    status, content = put(address, b"1234", Content_Type="image/png")
    assert status == 403
    assert b"Request has expired" in content


def test_the_public_port_passes_nothing_else_of_s3(
    deployment: LocalDeployment, client: Client, buckets: dict[str, str]
) -> None:
    port, uploads, models = port_of(deployment), buckets["uploads"], buckets["models"]
    key = upload(deployment, LARGE)
    before = keys_of(client, uploads), keys_of(client, models)
    for address, method, headers in (
        (presigned(port, models, UNUSED_KEY), "PUT", {}),
        (presigned(port, uploads, "index.html"), "PUT", {}),
        (f"http://127.0.0.1:{port}/{uploads}/{UNUSED_KEY}", "PUT", {}),
        (presigned(port, uploads, UNUSED_KEY), "PUT", {"x_amz_copy_source": f"/{uploads}/{key}"}),
        (presigned(port, uploads, key, "get_object"), "GET", {}),
        (presigned(port, uploads, key, "delete_object"), "DELETE", {}),
    ):
        status, content = put(address, b"1234", method, Content_Type="image/png", **headers)
        assert status in {403, 404}, (address, content)
        assert LARGE[:100] not in content
    assert (keys_of(client, uploads), keys_of(client, models)) == before
    assert predict(deployment, key).status == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (bytes(25_000_001), "image/png", 413, "payload_too_large"),
        (LARGE, "application/zip", 415, "unsupported_media_type"),
        (b"PK\x03\x04" + bytes(5_000_000), "image/png", 415, "unsupported_image"),
    ],
    ids=["size", "type", "content"],
)
def test_what_lies_in_the_bucket_otherwise_is_refused_and_deleted(
    deployment: LocalDeployment,
    client: Client,
    buckets: dict[str, str],
    body: bytes,
    content_type: str,
    status: int,
    code: str,
) -> None:
    client("s3").put_object(
        Bucket=buckets["uploads"], Key=UNUSED_KEY, Body=body, ContentType=content_type
    )
    response = predict(deployment, UNUSED_KEY)
    assert (response.status, response.body["error"]["code"]) == (status, code)
    assert keys_of(client, buckets["uploads"]) == []


def test_an_upload_needs_the_key_of_the_api(deployment: LocalDeployment) -> None:
    response = send(deployment, Request(b"{}", JSON, path=UPLOADS, key="not-the-key"))
    assert (response.status, response.body["error"]["code"]) == (403, "invalid_api_key")


def test_one_key_at_once_is_a_result_or_gone(
    deployment: LocalDeployment, client: Client, buckets: dict[str, str]
) -> None:
    key = upload(deployment, LARGE)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: predict(deployment, key).status, range(2)))
    assert set(found) <= {200, 404}
    assert 200 in found
    assert keys_of(client, buckets["uploads"]) == []


def test_the_role_may_not_list_the_bucket_nor_use_another(
    deployment: LocalDeployment, client: Client, buckets: dict[str, str]
) -> None:
    function = client("lambda").get_function_configuration(FunctionName=proxy_function(client))
    credentials = client("sts").assume_role(RoleArn=function["Role"], RoleSessionName="test")
    role = aws_client(
        "s3",
        deployment.environment
        | {
            "AWS_ACCESS_KEY_ID": credentials["Credentials"]["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["Credentials"]["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["Credentials"]["SessionToken"],
        },
    )
    uploads, models = buckets["uploads"], buckets["models"]
    denied: list[Callable[[], Any]] = [
        lambda: role.list_objects_v2(Bucket=uploads, Prefix="uploads/"),
        lambda: role.put_object(Bucket=uploads, Key="index.html", Body=b"1"),
        lambda: role.put_object(Bucket=models, Key=UNUSED_KEY, Body=b"1"),
        lambda: role.get_object(Bucket=models, Key="serving/model.tar.gz"),
    ]
    for call in denied:
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


def test_the_page_uploads_a_large_photo_as_it_is(
    page: Page,
    deployment: LocalDeployment,
    client: Client,
    photographer: Photographer,
    tmp_path: Path,
) -> None:
    photo = tmp_path / "image.jpg"
    photo.write_bytes(photographer.photograph(ROOT / "samples" / "cat.jpg"))
    assert photo.stat().st_size > 4 * MEBIBYTE
    of_classes = invoke(deployment, client, photo.read_bytes(), "image/jpeg")
    best = max(of_classes, key=lambda each: each["probability"])
    expect(page.locator("#large")).to_contain_text("or uploaded as they are")
    enter_key(page, deployment.api_key)
    sent: list[tuple[str, str]] = []
    page.on("request", lambda each: sent.append((each.method, urlsplit(each.url).path)))
    with page.expect_request("**/api/predict**") as predicting:
        choose(page, photo)
    expect_result(page, best["label"])
    assert json.loads(predicting.value.post_data or "").keys() == {"s3"}
    posted = [(method, path) for method, path in sent if method in {"POST", "PUT"}]
    assert [method for method, _ in posted] == ["POST", "PUT", "POST"]
    assert posted[0][1] == "/api/uploads"
    measured = page.locator("#measurements")
    expect(measured).to_contain_text("sent 3024 \u00d7 4032")
    expect(measured).not_to_contain_text("from")
    printed = run_copied(page, deployment, "Python", tmp_path)
    assert printed.startswith(f"{best['label']} ")
