"""Models of few and of many classes, and one whose network ends in a softmax."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from .artifacts import write_artifact
from .server import Server, serving, start

VERSION = "0123456789ab"


@pytest.fixture(scope="module", params=[2, 21_000])
def class_count(request: pytest.FixtureRequest) -> int:
    count: int = request.param
    return count


@pytest.fixture(scope="module")
def sized_server(
    class_count: int, context: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Serves a model of that many classes."""
    folder = tmp_path_factory.mktemp("sized")
    labels = [f"label {number}" for number in range(class_count)]
    model = write_artifact(folder / "model", labels=labels)
    with serving(context, folder / "log", model, WHIPPET_MODEL_VERSION=VERSION) as running:
        yield running


@pytest.fixture(scope="module")
def softmax_server(context: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("softmax")
    model = write_artifact(folder / "model", output="probabilities")
    with serving(context, folder / "log", model) as running:
        yield running


def test_every_class_of_the_model_is_returned(
    sized_server: Server, class_count: int, images: Path
) -> None:
    image = (images / "green.png").read_bytes()
    plain = sized_server.invoke(image).body
    assert len(plain["predictions"]) == min(5, class_count)
    assert plain["model"] == {"name": "colours", "version": VERSION}
    everything = sized_server.invoke(image, top_k="all").body["predictions"]
    assert len(everything) == class_count
    assert everything[0]["label"] == "label 1"
    assert sum(item["probability"] for item in everything) == pytest.approx(1, abs=1e-9)
    assert sized_server.invoke(image, top_k=999_999).body["predictions"] == everything
    in_order = sized_server.invoke(image, order="class").body["predictions"]
    assert [item["index"] for item in in_order] == list(range(class_count))
    assert in_order == sorted(everything, key=lambda item: item["index"])


def test_logits_are_the_networks_own(sized_server: Server, images: Path) -> None:
    image = (images / "green.png").read_bytes()
    probable = sized_server.invoke(image, top_k=2).body["predictions"]
    raw = sized_server.invoke(image, top_k=2, scores="logits").body["predictions"]
    assert [item["label"] for item in raw] == [item["label"] for item in probable]
    assert raw[0].keys() == {"label", "index", "logit"}
    # Of the image's 190 green, with the mean and the standard deviation of the manifest.
    assert raw[0]["logit"] == pytest.approx((190 / 255 - 0.5) / 0.1, abs=1e-4)
    difference = raw[0]["logit"] - raw[1]["logit"]
    ratio = probable[0]["probability"] / probable[1]["probability"]
    assert difference == pytest.approx(math.log(ratio), abs=1e-4)


def test_what_serves_is_in_the_log(sized_server: Server) -> None:
    (loaded,) = [
        entry for entry in sized_server.log_entries() if entry["message"] == "model loaded"
    ]
    assert loaded["version"] == VERSION
    assert loaded["resizer"] in {"compiled", "pillow"}


def test_a_networks_own_probabilities_get_no_second_softmax(
    softmax_server: Server, server: Server, images: Path
) -> None:
    image = (images / "red.png").read_bytes()
    own, ours = (
        each.invoke(image, order="class", measurements="true").body
        for each in (softmax_server, server)
    )
    for given, expected in zip(own["predictions"], ours["predictions"], strict=True):
        assert given["probability"] == pytest.approx(expected["probability"], abs=1e-6)
    entropies = [body["measurements"]["entropy"] for body in (own, ours)]
    assert entropies[0] == pytest.approx(entropies[1], abs=1e-5)


def test_a_network_that_ends_in_a_softmax_gives_no_logits(
    softmax_server: Server, images: Path
) -> None:
    reply = softmax_server.invoke((images / "red.png").read_bytes(), scores="logits")
    assert (reply.status, reply.body["code"]) == (400, "logits_unavailable")


def test_a_network_that_gives_other_numbers_than_its_manifest_says_is_not_served(
    context: Path, tmp_path: Path
) -> None:
    model = write_artifact(tmp_path / "model", output="probabilities")
    other = write_artifact(tmp_path / "other")
    manifest = json.loads((model / "manifest.json").read_text())
    manifest["files"] = json.loads((other / "manifest.json").read_text())["files"]
    (model / "manifest.json").write_text(json.dumps(manifest))
    (model / "model.onnx").write_bytes((other / "model.onnx").read_bytes())
    log = tmp_path / "log"
    process = start(context, log, "--host", "127.0.0.1", "--port", "0", "--model-dir", model)
    assert process.wait(timeout=30) == 1
    (line,) = log.with_suffix(".err").read_text().splitlines()
    assert "the network's output for a test image is invalid" in line
    assert "no probabilities" in line


def test_a_version_that_is_no_digest_is_refused_at_the_start(
    context: Path, artifact: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    process = start(context, log, "--model-dir", artifact, WHIPPET_MODEL_VERSION="latest")
    assert process.wait(timeout=30) == 1
    assert "WHIPPET_MODEL_VERSION is 'latest'" in log.with_suffix(".err").read_text()
