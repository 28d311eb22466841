from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from .artifacts import LABELS
from .server import Server, read_reply


def test_ping_returns_200(server: Server) -> None:
    reply = server.request("GET", "/ping")
    assert (reply.status, reply.body) == (200, None)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("colour", LABELS)
def test_each_kind_of_image_is_classified(
    server: Server, images: Path, colour: str, kind: str
) -> None:
    image = (images / f"{colour}.{kind}").read_bytes()
    reply = server.invoke(image, f"image/{kind}")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    best = reply.body["predictions"][0]
    assert (best["label"], best["index"]) == (colour, LABELS.index(colour))
    assert best["probability"] > 0.99


def test_the_bytes_decide_and_not_the_name_of_their_kind(server: Server, images: Path) -> None:
    assert server.invoke((images / "red.webp").read_bytes(), "image/jpeg").status == 200


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "image/jpg",
        "image/pjpeg",
        "image/x-png",
        "application/octet-stream",
        "application/x-image",
        "application/x-www-form-urlencoded",
    ],
)
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_an_image_is_taken_under_each_name_that_clients_give_it(
    server: Server, images: Path, kind: str, content_type: str | None
) -> None:
    reply = server.invoke((images / f"green.{kind}").read_bytes(), content_type)
    assert reply.status == 200
    assert reply.body["predictions"][0]["label"] == "green"


def test_an_image_is_taken_as_a_browsers_form_sends_it(server: Server, images: Path) -> None:
    file = (images / "blue.jpeg").read_bytes()
    head = b'Content-Disposition: form-data; name="photo"; filename="a.jpg"\r\n'
    body = b"--b\r\n" + head + b"Content-Type: image/jpeg\r\n\r\n" + file + b"\r\n--b--\r\n"
    reply = server.invoke(body, "multipart/form-data; boundary=b", top_k=1)
    assert reply.status == 200
    assert reply.body == server.invoke(file, "image/jpeg", top_k=1).body


def test_all_probabilities_sum_to_one(server: Server, images: Path) -> None:
    predictions = server.invoke((images / "red.png").read_bytes(), top_k=3).body["predictions"]
    assert {prediction["label"] for prediction in predictions} == set(LABELS)
    probabilities = [prediction["probability"] for prediction in predictions]
    assert sum(probabilities) == pytest.approx(1, abs=1e-12)
    assert probabilities == sorted(probabilities, reverse=True)


@pytest.mark.parametrize(
    ("attributes", "count"),
    [
        ({}, 3),
        ({"top_k": 1}, 1),
        ({"top_k": 2}, 2),
        ({"top_k": 99}, 3),
        ({"top_k": "all"}, 3),
    ],
)
def test_top_k_says_how_many(
    server: Server, images: Path, attributes: dict[str, Any], count: int
) -> None:
    reply = server.invoke((images / "red.png").read_bytes(), **attributes)
    assert len(reply.body["predictions"]) == count


def test_the_response_names_the_model_and_no_version_where_none_is_known(
    server: Server, images: Path
) -> None:
    reply = server.invoke((images / "red.png").read_bytes())
    assert reply.body.keys() == {"predictions", "model"}
    assert reply.body["model"] == {"name": "colours", "version": "unknown"}


@pytest.mark.parametrize(
    ("colour", "luma"),
    [
        # Of the image's red, green and blue, by ITU-R BT.601.
        ("red", 0.299 * 200 + 0.587 * 40 + 0.114 * 30),
        ("green", 0.299 * 20 + 0.587 * 190 + 0.114 * 60),
        ("blue", 0.299 * 30 + 0.587 * 50 + 0.114 * 220),
    ],
)
def test_measurements_are_returned_on_request(
    server: Server, images: Path, colour: str, luma: float
) -> None:
    image = (images / f"{colour}.png").read_bytes()
    reply = server.invoke(image, top_k=3, measurements="true")
    assert reply.status == 200
    measurements = reply.body.pop("measurements")
    assert measurements.keys() == {"entropy", "brightness", "sharpness"}
    assert measurements["brightness"] == pytest.approx(luma / 255)
    assert measurements["sharpness"] == 0
    probabilities = [prediction["probability"] for prediction in reply.body["predictions"]]
    entropy = -sum(p * math.log(p) for p in probabilities if p)
    assert measurements["entropy"] == pytest.approx(entropy)
    assert reply.body == server.invoke(image, top_k=3).body


def test_the_entropy_is_of_all_classes_and_not_of_the_returned_ones(
    server: Server, images: Path
) -> None:
    image = (images / "red.png").read_bytes()
    few, all_of_them = (server.invoke(image, top_k=top_k, measurements="true") for top_k in (1, 3))
    assert few.body["measurements"] == all_of_them.body["measurements"]


def test_the_sharpness_is_that_of_the_image(server: Server, images: Path) -> None:
    fine, plain = (
        server.invoke((images / name).read_bytes(), measurements="true").body["measurements"]
        for name in ("lines.png", "red.png")
    )
    # Every other row is white: half of all pixels that touch differ by all there is.
    assert fine["sharpness"] == pytest.approx(0.5)
    assert plain["sharpness"] == 0


def test_a_body_in_chunks_is_taken_too(server: Server, images: Path) -> None:
    image = (images / "green.jpeg").read_bytes()
    assert server.invoke(iter([image[:100], image[100:]]), "image/jpeg").status == 200


def test_responses_do_not_mix_between_callers(server: Server, images: Path) -> None:
    wanted = LABELS * 30
    with ThreadPoolExecutor(8) as callers:
        replies = callers.map(
            lambda colour: server.invoke((images / f"{colour}.png").read_bytes()), wanted
        )
        assert [reply.body["predictions"][0]["label"] for reply in replies] == wanted


def test_a_connection_outlives_refused_requests(server: Server, images: Path) -> None:
    connection = server.connect()
    for body in (b"x" * 11_000_000, b"", b"no image", (images / "red.png").read_bytes()):
        connection.request("POST", "/invocations", body, {"Content-Type": "image/png"})
        last = read_reply(connection)
    connection.close()
    assert last.status == 200


def test_each_request_is_one_line_of_json_in_the_log(server: Server, images: Path) -> None:
    before = len(server.log_entries())
    server.invoke((images / "red.png").read_bytes())
    server.invoke(b"secret image")
    entries = server.log_entries()[before:]
    assert [(entry["level"], entry["status"]) for entry in entries] == [
        ("INFO", 200),
        ("INFO", 415),
    ]
    assert all(entry["duration_ms"] >= 0 for entry in entries)
    times = [datetime.fromisoformat(entry["time"]) for entry in entries]
    assert times[0] <= times[1] <= datetime.now(UTC) < times[0] + timedelta(seconds=30)
    assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{3}\+00:00", entries[0]["time"])
    assert all("request_id" not in entry for entry in entries)
    assert entries[1]["outcome"] == "unsupported_image"
    assert "secret" not in server.log.read_text()


@pytest.mark.parametrize(
    ("given", "logged"),
    [("c6af9ac6-7b61-11e6", "c6af9ac6-7b61-11e6"), ("two words", None), ("a" * 129, None)],
)
def test_the_log_names_the_request(
    server: Server, images: Path, given: str, logged: str | None
) -> None:
    before = len(server.log_entries())
    for body in ((images / "red.png").read_bytes(), b"no image"):
        server.invoke(body, request_id=given)
    entries = server.log_entries()[before:]
    assert [entry["outcome"] for entry in entries] == ["ok", "unsupported_image"]
    assert [entry.get("request_id") for entry in entries] == [logged] * 2
