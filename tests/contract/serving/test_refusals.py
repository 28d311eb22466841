from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from .server import Server


def _png_of_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(header))
    data = b"\0\0\1\0IDAT" + b"x" * 256
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + checksum + data


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "image/png", 400, "empty_body"),
        (b"", None, 400, "empty_body"),
        (b"x", None, 415, "unsupported_image"),
        (b"x", "text/plain", 415, "unsupported_media_type"),
        (b"x", "image/gif", 415, "unsupported_media_type"),
        (b"x", "application/x-image", 415, "unsupported_image"),
        (b"hello", "image/jpeg", 415, "unsupported_image"),
        (b"image=x", "application/x-www-form-urlencoded", 415, "unsupported_image"),
        (b"x", "multipart/form-data", 400, "invalid_request"),
        (b"x", "multipart/form-data; boundary=x", 400, "invalid_request"),
        (b"--x\r\n\r\n\r\n--x--\r\n", "multipart/form-data; boundary=x", 400, "empty_body"),
        (b"\xff\xd8\xff" + b"\xff\xda" * 129, "image/jpeg", 422, "unreadable_image"),
        (_png_of_header(0, 9), "image/png", 422, "unreadable_image"),
        (_png_of_header(9, 9), "image/png", 422, "unreadable_image"),
        (_png_of_header(65_535, 65_535), "image/png", 413, "image_too_large"),
        (bytes(10 * 1024 * 1024 + 1), "image/png", 413, "payload_too_large"),
        (bytes(30_000_000), "image/png", 413, "payload_too_large"),
    ],
)
def test_bad_input_has_its_status_and_code(
    server: Server, body: bytes, content_type: str | None, status: int, code: str
) -> None:
    reply = server.invoke(body, content_type)
    assert (reply.status, reply.body["code"]) == (status, code)
    assert reply.body.keys() == {"code", "message"}
    assert len(reply.body["message"]) > 20


def test_a_malformed_form_leaves_no_log_line_of_its_parser(server: Server) -> None:
    assert server.invoke(b"x", "multipart/form-data; boundary=x").status == 400
    loggers = {entry["logger"] for entry in server.log_entries()}
    assert "classifier.serving.server" in loggers
    assert not {logger for logger in loggers if logger.startswith("python_multipart")}


def test_an_image_of_too_many_pixels_is_refused(server: Server, images: Path) -> None:
    reply = server.invoke((images / "large.png").read_bytes())
    assert (reply.status, reply.body["code"]) == (413, "image_too_large")
    assert "25 megapixels" in reply.body["message"]


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"BM\x36\0\0\0" + bytes(4), "BMP"),
        (b"GIF89a", "GIF"),
        (b"\x1f\x8b\x08", "gzip"),
    ],
)
@pytest.mark.parametrize("content_type", [None, "image/jpeg", "application/octet-stream"])
def test_another_kind_of_image_is_named_with_what_to_do(
    server: Server, start: bytes, words: str, content_type: str | None
) -> None:
    reply = server.invoke(start + bytes(99), content_type)
    assert (reply.status, reply.body["code"]) == (415, "unsupported_image")
    assert words in reply.body["message"]
    assert "send" in reply.body["message"]


def test_another_kind_of_image_is_refused(server: Server, images: Path) -> None:
    reply = server.invoke((images / "other.gif").read_bytes())
    assert (reply.status, reply.body["code"]) == (415, "unsupported_image")


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_a_truncated_image_is_refused(server: Server, images: Path, kind: str) -> None:
    image = (images / f"red.{kind}").read_bytes()
    for length in (12, len(image) // 2, len(image) * 3 // 4):
        reply = server.invoke(image[:length], f"image/{kind}")
        assert (reply.status, reply.body["code"]) == (422, "unreadable_image")
        assert "cut off" in reply.body["message"]


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "", "many"])
def test_a_invalid_top_k_is_refused(server: Server, images: Path, value: str) -> None:
    reply = server.invoke((images / "red.png").read_bytes(), top_k=value)
    assert (reply.status, reply.body["code"]) == (400, "invalid_top_k")
    assert "from 1 or as all" in reply.body["message"]


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"order": "label"}, "invalid_order"),
        ({"order": "class", "top_k": 2}, "invalid_order"),
        ({"scores": "raw"}, "invalid_scores"),
    ],
)
def test_another_order_or_score_is_refused(
    server: Server, images: Path, attributes: dict[str, Any], code: str
) -> None:
    reply = server.invoke((images / "red.png").read_bytes(), **attributes)
    assert (reply.status, reply.body["code"]) == (400, code)


def test_measurements_that_are_neither_true_nor_false_are_refused(
    server: Server, images: Path
) -> None:
    reply = server.invoke((images / "red.png").read_bytes(), top_k=1, measurements="yes")
    assert (reply.status, reply.body["code"]) == (400, "invalid_request")
    assert "true or false" in reply.body["message"]


def test_an_unknown_path_or_method_is_refused_in_the_same_shape(server: Server) -> None:
    unknown = server.request("GET", "/models")
    assert (unknown.status, unknown.body["code"]) == (404, "not_found")
    for verb, path in (("GET", "/ping/"), ("POST", "/invocations/")):
        slash = server.request(verb, path)
        assert (slash.status, slash.body["code"]) == (404, "not_found")
    method = server.request("GET", "/invocations")
    assert (method.status, method.body["code"]) == (405, "method_not_allowed")
    assert method.headers["allow"] == "POST"
