"""What clients call an image, what they send in its place, and what they are told."""

import base64
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier_proxy import unsupported_bodies
from classifier_proxy.requests import OTHER_IMAGE_MEDIA_TYPES, ApiEvent, parse_request
from tests.lambda_src.conftest import JPEG, Proxy
from tests.lambda_src.events import BINARY_MEDIA_TYPES, proxy_event
from tests.lambda_src.forms import form
from tests.lambda_src.images import lossy_webp, png
from tests.lambda_src.stand_in import SageMakerRuntime

PNG = png(640, 480)
IMAGES = {"image/jpeg": JPEG, "image/png": PNG, "image/webp": lossy_webp(640, 480)}


@pytest.mark.parametrize("media_type", IMAGES)
@pytest.mark.parametrize(
    "content_type",
    [*BINARY_MEDIA_TYPES[:-1], "image/jpeg; charset=binary", "application/octet-stream;x=y"],
)
def test_the_bytes_decide_whatever_the_client_calls_them(
    proxy: Proxy, runtime: SageMakerRuntime, media_type: str, content_type: str
) -> None:
    assert proxy.call(IMAGES[media_type], content_type=content_type).status == 200
    assert runtime.requests[0].body == IMAGES[media_type]
    assert runtime.requests[0].headers["Content-Type"] == media_type


def test_every_other_name_is_among_them() -> None:
    assert set(BINARY_MEDIA_TYPES) == {*IMAGES, *OTHER_IMAGE_MEDIA_TYPES, "multipart/form-data"}


@pytest.mark.parametrize(
    ("content_type", "said"),
    [(None, "is missing"), ("", "is missing"), ("text/plain", "is not supported")],
)
def test_the_header_is_named(proxy: Proxy, content_type: str | None, said: str) -> None:
    response = proxy.call(content_type=content_type)

    assert (response.status, response.body["error"]["code"]) == (415, "unsupported_media_type")
    assert response.body["error"]["message"].startswith(f"The Content-Type header {said}. Send")


def ftyp(brand: bytes, *others: bytes) -> bytes:
    content = b"ftyp" + brand + bytes(4) + b"".join(others)
    return (len(content) + 4).to_bytes(4, "big") + content + b"\0\0\0\x08mdat"


IN_BASE64 = base64.b64encode(JPEG)
FOREIGN = {
    "HEIC": (ftyp(b"heic", b"mif1", b"heic"), "is a HEIC", "Convert it to JPEG"),
    "HEIC by another brand": (ftyp(b"mif1", b"heic"), "is a HEIC", "Convert it to JPEG"),
    "AVIF": (ftyp(b"avif", b"mif1", b"avif"), "is an AVIF", "Convert it to JPEG, PNG or WebP"),
    "AVIF by another brand": (ftyp(b"mif1", b"avif"), "is an AVIF", "Convert it"),
    "TIFF": (b"II*\0" + bytes(9), "is a TIFF", "Convert it"),
    "TIFF, big-endian": (b"MM\0*" + bytes(9), "is a TIFF", "Convert it"),
    "BigTIFF": (b"II+\0" + bytes(9), "is a TIFF", "Convert it"),
    "BMP": (b"BM\x36\0\x0c\0\0\0\0\0" + bytes(99), "is a BMP", "Convert it"),
    "GIF87a": (b"GIF87a" + bytes(9), "is a GIF", "Convert it"),
    "GIF89a": (b"GIF89a" + bytes(9), "is a GIF", "Convert it"),
    "JPEG XL": (b"\xff\x0a" + bytes(9), "is a JPEG XL", "Convert it"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", "is a JPEG 2000", "Convert it"),
    "gzip": (gzip.compress(JPEG), "gzip", "uncompressed"),
    "PDF": (b"%PDF-1.7\n", "PDF document", "Export the page"),
    "ZIP": (b"PK\x03\x04" + bytes(9), "ZIP archive", "Send one image"),
    "SVG": (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="', "is an SVG", "PNG"),
    "SVG alone": (b"<SVG></SVG>", "is an SVG", "PNG"),
    "JSON": (b' {"image": "/9j/"}', "is JSON", "Content-Type: application/json"),
    "a JSON list": (b"[1]", "is JSON", "Content-Type: application/json"),
    "JSON after a mark": (b"\xef\xbb\xbf{}", "is JSON", "Content-Type: application/json"),
    "a form's text": (b"image=%FF%D8&x=1", "text of a form", "--data-binary @image.jpg"),
    "a form's text of a list": (b"images[]=x", "text of a form", "--form image=@image.jpg"),
    "base64": (IN_BASE64, "in base64", "bytes themselves"),
    "base64 of a PNG": (base64.encodebytes(PNG), "in base64", "bytes themselves"),
    "a data: URL": (b"data:image/jpeg;base64," + IN_BASE64, "data: URL", "bytes themselves"),
    "a PNG through curl's --data": (
        PNG.translate(None, b"\r\n\0"),
        "first bytes are damaged",
        "--data-binary",
    ),
    "a JPEG as text": (JPEG.decode(errors="replace").encode(), "converted to text", "Content-Type"),
    "text": (b"hello", "not a JPEG, PNG or WebP image", ""),
    "HTML": (b"<!DOCTYPE html><html>", "not a JPEG, PNG or WebP image", ""),
    "a word in capitals": (b"BMW and others", "not a JPEG, PNG or WebP image", ""),
    "a video": (ftyp(b"isom", b"mp41"), "not a JPEG, PNG or WebP image", ""),
}


@pytest.mark.parametrize("case", FOREIGN)
@pytest.mark.parametrize("place", ["body", "json", "form"])
def test_an_unsupported_format_is_named_with_advice(
    proxy: Proxy, runtime: SageMakerRuntime, case: str, place: str
) -> None:
    content, name, advice = FOREIGN[case]
    body, content_type = {
        "body": (content, "application/x-www-form-urlencoded"),
        "json": (
            json.dumps({"image": base64.b64encode(content).decode()}).encode(),
            "application/json",
        ),
        "form": form(content),
    }[place]

    response = proxy.call(body, content_type=content_type)

    assert (response.status, response.body["error"]["code"]) == (415, "unsupported_image")
    assert name in response.body["error"]["message"]
    assert advice in response.body["error"]["message"]
    assert runtime.requests == []


@given(st.binary(max_size=40), st.sampled_from((b"", b"\0\0\0\x20ftyp", b"<", b"BM")))
def test_any_bytes_are_named_or_not(rest: bytes, start: bytes) -> None:
    assert unsupported_bodies.describe(start + rest) != ""


@pytest.mark.parametrize("encoding", ["gzip", "br", " GZIP "])
@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [("image/jpeg", b"\x8b\x02\x80", 415), ("application/json", b"\x1f\xef\xbf\xbd", 400)],
)
def test_a_body_that_says_it_is_compressed_is_to_be_sent_uncompressed(
    proxy: Proxy, encoding: str, content_type: str, body: bytes, status: int
) -> None:
    event = proxy_event(body, content_type=content_type)
    event["headers"]["Content-Encoding"] = encoding

    response = proxy.call_event(event)

    assert response.status == status
    assert (
        "Content-Encoding header: send the body uncompressed" in response.body["error"]["message"]
    )


def test_an_image_is_accepted_whatever_its_encoding_is_called(proxy: Proxy) -> None:
    event = proxy_event(JPEG)
    event["headers"]["Content-Encoding"] = "gzip"

    assert proxy.call_event(event).status == 200


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize("binary", [True, False])
def test_an_image_that_is_called_json_is_told_so(proxy: Proxy, image: bytes, binary: bool) -> None:
    event = proxy_event(image, content_type="application/json")
    if binary:
        event |= {"body": base64.b64encode(image).decode(), "isBase64Encoded": True}

    response = proxy.call_event(event)

    assert (response.status, response.body["error"]["code"]) == (400, "invalid_json")
    if binary or image is not IMAGES["image/webp"]:
        assert "is an image and not JSON" in response.body["error"]["message"]


WITHOUT_AN_IMAGE = {
    "an empty image": (b"", "image/jpeg"),
    "an empty form": (b"", "multipart/form-data; boundary=x"),
    "an empty file": form(b""),
    "empty JSON": (b"", "application/json"),
    "an empty object": (b"{}", "application/json"),
    "another member": (b'{"photo": ""}', "application/json"),
    "an empty text": (b'{"image": ""}', "application/json"),
    "a list": (b"[]", "application/json"),
}


@pytest.mark.parametrize("case", WITHOUT_AN_IMAGE)
@pytest.mark.parametrize("fetches", [True, False])
def test_an_address_is_recommended_only_where_it_is_accepted(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, case: str, fetches: bool
) -> None:
    if fetches:
        monkeypatch.setenv("URL_ALLOWED_HOSTS", "images.example.com")
    body, content_type = WITHOUT_AN_IMAGE[case]

    response = proxy.call(body, content_type=content_type)

    assert response.status == 400
    assert '{"image": "<base64>"}' in response.body["error"]["message"]
    assert ("url" in response.body["error"]["message"]) is fetches


def test_a_request_of_no_content_type_or_body_has_no_image() -> None:
    with pytest.raises(Exception, match="Content-Type header is missing"):
        parse_request(ApiEvent("POST", "/predict"))
