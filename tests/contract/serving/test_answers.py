from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .artifacts import LABELS, MODEL_VERSION
from .server import Server, read_reply


def test_ping_is_answered(server: Server) -> None:
    reply = server.request("GET", "/ping")
    assert (reply.status, reply.body) == (200, None)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("colour", LABELS)
def test_each_kind_of_picture_is_classified(
    server: Server, pictures: Path, colour: str, kind: str
) -> None:
    picture = (pictures / f"{colour}.{kind}").read_bytes()
    reply = server.invoke(picture, f"image/{kind}")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    best = reply.body["predictions"][0]
    assert (best["label"], best["index"]) == (colour, LABELS.index(colour))
    assert best["probability"] > 0.99


def test_the_bytes_decide_and_not_the_name_of_their_kind(server: Server, pictures: Path) -> None:
    assert server.invoke((pictures / "red.webp").read_bytes(), "image/jpeg").status == 200


def test_all_probabilities_sum_to_one(server: Server, pictures: Path) -> None:
    predictions = server.invoke((pictures / "red.png").read_bytes(), top_k=3).body["predictions"]
    assert {prediction["label"] for prediction in predictions} == set(LABELS)
    probabilities = [prediction["probability"] for prediction in predictions]
    assert sum(probabilities) == pytest.approx(1, abs=1e-12)
    assert probabilities == sorted(probabilities, reverse=True)


@pytest.mark.parametrize(("attributes", "count"), [({}, 3), ({"top_k": 1}, 1), ({"top_k": 2}, 2)])
def test_top_k_says_how_many(
    server: Server, pictures: Path, attributes: dict[str, Any], count: int
) -> None:
    reply = server.invoke((pictures / "red.png").read_bytes(), **attributes)
    assert len(reply.body["predictions"]) == count


def test_the_answer_names_the_artifacts_model(server: Server, pictures: Path) -> None:
    reply = server.invoke((pictures / "red.png").read_bytes())
    assert reply.body.keys() == {"predictions", "model"}
    assert reply.body["model"] == {"name": "colours", "version": MODEL_VERSION}


@pytest.mark.parametrize(
    ("colour", "luma"),
    [
        # Of the picture's red, green and blue, by ITU-R BT.601.
        ("red", 0.299 * 200 + 0.587 * 40 + 0.114 * 30),
        ("green", 0.299 * 20 + 0.587 * 190 + 0.114 * 60),
        ("blue", 0.299 * 30 + 0.587 * 50 + 0.114 * 220),
    ],
)
def test_who_asks_gets_measurements_of_the_picture(
    server: Server, pictures: Path, colour: str, luma: float
) -> None:
    picture = (pictures / f"{colour}.png").read_bytes()
    reply = server.invoke(picture, top_k=3, measurements="true")
    assert reply.status == 200
    measurements = reply.body.pop("measurements")
    assert measurements.keys() == {"entropy", "brightness", "sharpness"}
    assert measurements["brightness"] == pytest.approx(luma / 255)
    assert measurements["sharpness"] == 0
    probabilities = [prediction["probability"] for prediction in reply.body["predictions"]]
    entropy = -sum(p * math.log(p) for p in probabilities if p)
    assert measurements["entropy"] == pytest.approx(entropy)
    assert reply.body == server.invoke(picture, top_k=3).body


def test_the_entropy_is_of_all_classes_and_not_of_those_that_are_answered(
    server: Server, pictures: Path
) -> None:
    picture = (pictures / "red.png").read_bytes()
    few, all_of_them = (
        server.invoke(picture, top_k=top_k, measurements="true") for top_k in (1, 3)
    )
    assert few.body["measurements"] == all_of_them.body["measurements"]


def test_the_sharpness_is_that_of_the_picture(server: Server, pictures: Path) -> None:
    fine, plain = (
        server.invoke((pictures / name).read_bytes(), measurements="true").body["measurements"]
        for name in ("lines.png", "red.png")
    )
    # Every other row is white: half of all pixels that touch differ by all there is.
    assert fine["sharpness"] == pytest.approx(0.5)
    assert plain["sharpness"] == 0


def test_a_body_in_chunks_is_taken_too(server: Server, pictures: Path) -> None:
    picture = (pictures / "green.jpeg").read_bytes()
    assert server.invoke(iter([picture[:100], picture[100:]]), "image/jpeg").status == 200


def test_answers_do_not_mix_between_callers(server: Server, pictures: Path) -> None:
    wanted = LABELS * 30
    with ThreadPoolExecutor(8) as callers:
        replies = callers.map(
            lambda colour: server.invoke((pictures / f"{colour}.png").read_bytes()), wanted
        )
        assert [reply.body["predictions"][0]["label"] for reply in replies] == wanted


def test_a_connection_outlives_refused_requests(server: Server, pictures: Path) -> None:
    connection = server.connect()
    for body in (b"x" * 11_000_000, b"", b"no picture", (pictures / "red.png").read_bytes()):
        connection.request("POST", "/invocations", body, {"Content-Type": "image/png"})
        last = read_reply(connection)
    connection.close()
    assert last.status == 200


def test_each_request_is_one_line_of_json_in_the_log(server: Server, pictures: Path) -> None:
    before = len(server.log_entries())
    server.invoke((pictures / "red.png").read_bytes())
    server.invoke(b"secret picture")
    entries = server.log_entries()[before:]
    assert [(entry["level"], entry["status"]) for entry in entries] == [
        ("INFO", 200),
        ("INFO", 422),
    ]
    assert all(entry["duration_ms"] >= 0 for entry in entries)
    assert entries[1]["outcome"] == "unreadable_image"
    assert "secret" not in server.log.read_text()
