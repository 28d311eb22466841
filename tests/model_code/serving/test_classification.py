from __future__ import annotations

import math
from dataclasses import replace

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.artifact.manifest import Manifest
from classifier.image.preprocessing import FloatArray
from classifier.serving.classification import Postprocessor, Prediction, entropy, softmax

VERSION = "0123456789ab"


def _logits(*values: float) -> FloatArray:
    return numpy.array(values, dtype=numpy.float32)


def _of_probabilities(manifest: Manifest) -> Postprocessor:
    return Postprocessor(replace(manifest, output="probabilities"), VERSION)


def _rank(postprocessor: Postprocessor, output: FloatArray, top_k: int) -> list[Prediction]:
    return postprocessor.predictions(output, top_k=top_k, in_class_order=False, logits=False)


def _total(predictions: list[Prediction]) -> float:
    return sum(float(prediction["probability"]) for prediction in predictions)


def test_the_most_probable_comes_first(postprocessor: Postprocessor) -> None:
    ranking = _rank(postprocessor, _logits(2, -1, 5), 3)
    assert [prediction["label"] for prediction in ranking] == ["blue", "red", "grün"]
    assert [prediction["index"] for prediction in ranking] == [2, 0, 1]
    assert _total(ranking) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_only_as_many_as_requested_are_returned(postprocessor: Postprocessor, top_k: int) -> None:
    assert len(_rank(postprocessor, _logits(1, 1, 1), top_k)) == top_k


@given(values=st.lists(st.integers(-2, 2), min_size=2, max_size=200), data=st.data())
def test_of_equals_the_first_label_comes_first(
    manifest: Manifest, values: list[int], data: st.DataObject
) -> None:
    top_k = data.draw(st.integers(1, len(values)))
    labels = tuple(f"label {index}" for index in range(len(values)))
    postprocessor = Postprocessor(replace(manifest, labels=labels), VERSION)
    ranking = _rank(postprocessor, _logits(*values), top_k)
    expected = sorted(range(len(values)), key=lambda index: (-values[index], index))[:top_k]
    assert [prediction["index"] for prediction in ranking] == expected
    assert [prediction["label"] for prediction in ranking] == [labels[i] for i in expected]


@pytest.mark.parametrize("class_count", [2, 21_000])
@pytest.mark.parametrize("output", ["logits", "probabilities"])
def test_every_class_is_given_whatever_their_number(
    manifest: Manifest, class_count: int, output: str
) -> None:
    labels = tuple(f"label {index}" for index in range(class_count))
    postprocessor = Postprocessor(replace(manifest, labels=labels, output=output), VERSION)
    logits = numpy.random.default_rng(3).normal(0, 3, class_count).astype(numpy.float32)
    given = logits if output == "logits" else softmax(logits).astype(numpy.float32)
    ranking = _rank(postprocessor, given, class_count)
    in_order = postprocessor.predictions(given, top_k=2, in_class_order=True, logits=False)
    assert [item["label"] for item in in_order] == list(labels)
    assert _total(in_order) == pytest.approx(1, abs=1e-4)
    assert ranking == sorted(in_order, key=lambda item: -float(item["probability"]))


def test_logits_are_ranked_as_their_probabilities_are(postprocessor: Postprocessor) -> None:
    # Of probabilities that are both 0 in 64 bit, too.
    logits = _logits(-3000, 7, -2000)
    for as_logits in (False, True):
        ranking = postprocessor.predictions(logits, top_k=3, in_class_order=False, logits=as_logits)
        assert [item["label"] for item in ranking] == ["grün", "blue", "red"]
    assert [item["logit"] for item in ranking] == [7, -2000, -3000]
    assert ranking[0].keys() == {"label", "index", "logit"}


@pytest.mark.parametrize(
    "values", [(1.0, 2.0, 3.0), (-0.1, 0.6, 0.5), (0.3, 0.3, 0.3), (0, 0, 0), (numpy.nan, 0, 1)]
)
def test_probabilities_that_do_not_sum_to_1_are_refused(
    manifest: Manifest, values: tuple[float, ...]
) -> None:
    with pytest.raises(ArithmeticError):
        _rank(_of_probabilities(manifest), _logits(*values), 1)


def test_probabilities_rounded_by_the_network_are_taken(manifest: Manifest) -> None:
    ranking = _rank(_of_probabilities(manifest), _logits(0.9995, 0, 0), 3)
    assert _total(ranking) == pytest.approx(0.9995)


@given(st.lists(st.floats(0, 50, width=32), min_size=2, max_size=50))
def test_the_entropy_of_probabilities_is_that_of_the_same_logits(
    manifest: Manifest, values: list[float]
) -> None:
    logits = _logits(*values)
    measured = _of_probabilities(manifest).entropy(softmax(logits).astype(numpy.float32))
    assert measured >= 0
    assert measured == pytest.approx(entropy(logits), abs=1e-5)


def test_the_model_has_a_name_and_a_version(postprocessor: Postprocessor) -> None:
    assert postprocessor.model == {"name": "colours", "version": VERSION}
    assert postprocessor.class_count == 3


def test_softmax_stands_large_logits_and_keeps_their_proportions() -> None:
    probabilities = softmax(_logits(3000, 3000 - numpy.log(3), -3000))
    assert probabilities == pytest.approx([0.75, 0.25, 0], abs=1e-4)


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf, -numpy.inf])
def test_logits_that_are_not_finite_are_refused(postprocessor: Postprocessor, value: float) -> None:
    with pytest.raises(ArithmeticError):
        _rank(postprocessor, _logits(1, value, 1), 1)


@pytest.mark.parametrize("class_count", [1, 2, 3, 1000])
def test_who_has_no_idea_has_the_largest_entropy(class_count: int) -> None:
    assert entropy(_logits(*[7.5] * class_count)) == pytest.approx(math.log(class_count))


@pytest.mark.parametrize("far", [100, 1e30, 3e38])
def test_who_is_certain_has_none(far: float) -> None:
    assert 0 <= entropy(_logits(-far, far, 0)) < 1e-12


@given(st.lists(st.floats(-200, 200, width=32), min_size=1, max_size=50))
def test_entropy_is_that_of_the_probabilities(values: list[float]) -> None:
    probabilities = softmax(_logits(*values))
    expected = -sum(p * math.log(p) for p in probabilities.tolist() if p > 0)
    assert entropy(_logits(*values)) == pytest.approx(expected, abs=1e-12)
    assert entropy(_logits(*values)) >= 0
