"""The custom resource that publishes the page, against a stand-in of S3 and CloudFormation."""

import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from page_publisher import handler

FILES = {"index.html": b"<!doctype html>", "assets/0a1b/page.js": b"1", "openapi.json": b"{}"}
PROPERTIES = {
    "AssetBucket": "assets",
    "AssetKey": "a1.zip",
    "PageBucket": "page",
    "Config": '{"topK": 5}',
}


class Buckets:
    """The part of S3 that the publisher uses: objects by bucket and key, in upload order."""

    def __init__(self) -> None:
        self.page: dict[str, dict[str, Any]] = {}
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr("assets/", "")
            for name, content in FILES.items():
                opened.writestr(name, content)
        self.archive = archive.getvalue()

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert (Bucket, Key) == ("assets", "a1.zip")
        return {"Body": io.BytesIO(self.archive)}

    def put_object(self, *, Bucket: str, Key: str, **given: Any) -> None:  # noqa: N803
        assert Bucket == "page"
        self.page[Key] = given

    def delete_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803
        assert Bucket == "page"
        del self.page[Key]

    def get_paginator(self, operation: str) -> "Buckets":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str) -> list[dict[str, Any]]:  # noqa: N803
        assert Bucket == "page"
        return [{}, {"Contents": [{"Key": key} for key in list(self.page)]}]


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch) -> Buckets:
    buckets = Buckets()
    monkeypatch.setattr("boto3.client", lambda _service: buckets)
    return buckets


@pytest.fixture
def responses() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address as CloudFormation gives one, and what was sent to it."""
    received: list[dict[str, Any]] = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            length = int(self.headers["Content-Length"])
            body = json.loads(self.rfile.read(length))
            received.append({"type": self.headers["Content-Type"], **body})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/response", received
    server.shutdown()
    thread.join()
    server.server_close()


def call(request_type: str, address: str) -> None:
    event = {
        "RequestType": request_type,
        "ResponseURL": address,
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Page",
        "ResourceProperties": PROPERTIES,
    }
    handler.handle(event, None)


Responses = tuple[str, list[dict[str, Any]]]


def test_publishes_every_file_with_its_type_and_how_long_it_is_kept(
    buckets: Buckets, responses: Responses
) -> None:
    address, received = responses
    call("Create", address)
    served = {
        key: (given["ContentType"], given["CacheControl"]) for key, given in buckets.page.items()
    }
    forever = "public, max-age=31536000, immutable"
    assert served == {
        "assets/0a1b/page.js": ("text/javascript; charset=utf-8", forever),
        "config.js": ("text/javascript; charset=utf-8", "no-cache"),
        "index.html": ("text/html; charset=utf-8", "no-cache"),
        "openapi.json": ("application/json", "no-cache"),
    }
    first, *_, last = buckets.page
    assert first.startswith("assets/"), "no file before the assets that it loads"
    assert last == "index.html", "no page before its settings and samples"
    assert buckets.page["index.html"]["Body"] == FILES["index.html"]
    assert buckets.page["config.js"]["Body"] == b'window.WHIPPET = {"topK": 5};\n'
    assert received == [
        {
            "type": "",
            "Status": "SUCCESS",
            "Reason": "Done",
            "PhysicalResourceId": "page-in-page",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Page",
        }
    ]


def test_an_update_takes_away_what_is_not_in_the_page_any_more(
    buckets: Buckets, responses: Responses
) -> None:
    address, _ = responses
    buckets.page["assets/ffff/old.js"] = {}
    call("Update", address)
    assert set(buckets.page) == {*FILES, "config.js"}


def test_deletion_leaves_an_empty_bucket(buckets: Buckets, responses: Responses) -> None:
    address, received = responses
    call("Create", address)
    call("Delete", address)
    assert buckets.page == {}
    assert [each["Status"] for each in received] == ["SUCCESS", "SUCCESS"]
    assert received[0]["PhysicalResourceId"] == received[1]["PhysicalResourceId"]


def test_what_goes_wrong_fails_the_stack_at_once(
    buckets: Buckets, responses: Responses, caplog: pytest.LogCaptureFixture
) -> None:
    address, received = responses
    buckets.archive = b"not a zip"
    call("Create", address)
    (response,) = received
    assert response["Status"] == "FAILED"
    assert "BadZipFile" in response["Reason"]
    assert "BadZipFile" in caplog.text


def test_a_file_of_a_kind_that_is_not_known_is_refused(
    buckets: Buckets, responses: Responses
) -> None:
    address, received = responses
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("page.exe", b"")
    buckets.archive = archive.getvalue()
    call("Create", address)
    assert received[0]["Status"] == "FAILED"
