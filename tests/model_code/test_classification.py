from __future__ import annotations

import numpy
import pytest

from classifier.classification import PictureClassifier, softmax
from classifier.manifest import Manifest, Preprocessing
from classifier.preprocessing import FloatArray


class _Brightness:
    """Answers each channel's mean, twenty times: a classifier of red, green and blue."""

    def infer(self, image: FloatArray) -> FloatArray:
        means: FloatArray = image.mean(axis=(1, 2)) * numpy.float32(20)
        return means

    def warm_up(self) -> None: ...


@pytest.fixture
def classifier() -> PictureClassifier:
    preprocessing = Preprocessing(
        resize=4, crop=4, interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(1, 1, 1)
    )
    manifest = Manifest(
        name="colours",
        architecture="none",
        labels=("red", "green", "blue"),
        preprocessing=preprocessing,
        weights_sha256="1" * 64,
        exporter_version=1,
        files={"model.onnx": "2" * 64},
    )
    return PictureClassifier(manifest, _Brightness())


def _image(colour: tuple[float, float, float]) -> FloatArray:
    return numpy.tile(numpy.array(colour, dtype=numpy.float32).reshape(3, 1, 1), (1, 4, 4))


def test_the_most_probable_comes_first(classifier: PictureClassifier) -> None:
    answer = classifier.classify(_image((0.4, 0.0, 0.8)), 3)
    assert [p["label"] for p in answer["predictions"]] == ["blue", "red", "green"]
    assert [p["index"] for p in answer["predictions"]] == [2, 0, 1]
    assert sum(p["probability"] for p in answer["predictions"]) == pytest.approx(1, abs=1e-12)


def test_only_as_many_as_asked_for_are_answered(classifier: PictureClassifier) -> None:
    assert len(classifier.classify(_image((0.1, 0.1, 0.1)), 1)["predictions"]) == 1


def test_the_answer_names_the_model(classifier: PictureClassifier) -> None:
    model = classifier.classify(_image((0.1, 0.2, 0.3)), 1)["model"]
    assert model["name"] == "colours"
    assert len(model["version"]) == 12


def test_softmax_stands_large_logits_and_keeps_their_proportions() -> None:
    probabilities = softmax(numpy.array([3000, 3000 - numpy.log(3), -3000], dtype=numpy.float32))
    assert probabilities == pytest.approx([0.75, 0.25, 0], abs=1e-4)


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
def test_logits_that_are_no_numbers_are_no_answer(value: float) -> None:
    with pytest.raises(ArithmeticError):
        softmax(numpy.array([1, value], dtype=numpy.float32))
