from __future__ import annotations

import math
from dataclasses import replace

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.classification import Labeller, entropy, softmax
from classifier.manifest import Manifest
from classifier.preprocessing import FloatArray


def _logits(*values: float) -> FloatArray:
    return numpy.array(values, dtype=numpy.float32)


def test_the_most_probable_comes_first(labeller: Labeller) -> None:
    ranking = labeller.rank(_logits(2, -1, 5), 3)
    assert [prediction["label"] for prediction in ranking] == ["blue", "red", "grün"]
    assert [prediction["index"] for prediction in ranking] == [2, 0, 1]
    assert sum(prediction["probability"] for prediction in ranking) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_only_as_many_as_asked_for_are_answered(labeller: Labeller, top_k: int) -> None:
    assert len(labeller.rank(_logits(1, 1, 1), top_k)) == top_k


@given(values=st.lists(st.integers(-2, 2), min_size=2, max_size=200), data=st.data())
def test_of_equals_the_first_label_comes_first(
    manifest: Manifest, values: list[int], data: st.DataObject
) -> None:
    top_k = data.draw(st.integers(1, len(values)))
    labels = tuple(f"label {index}" for index in range(len(values)))
    ranking = Labeller(replace(manifest, labels=labels), "unknown").rank(_logits(*values), top_k)
    expected = sorted(range(len(values)), key=lambda index: (-values[index], index))[:top_k]
    assert [prediction["index"] for prediction in ranking] == expected
    assert [prediction["label"] for prediction in ranking] == [labels[i] for i in expected]


def test_the_model_has_a_name_and_a_version(labeller: Labeller) -> None:
    assert labeller.model["name"] == "colours"
    assert labeller.model["version"] == "0123456789ab"
    assert labeller.class_count == 3


def test_softmax_stands_large_logits_and_keeps_their_proportions() -> None:
    probabilities = softmax(_logits(3000, 3000 - numpy.log(3), -3000))
    assert probabilities == pytest.approx([0.75, 0.25, 0], abs=1e-4)


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf, -numpy.inf])
def test_logits_that_are_no_numbers_are_no_answer(labeller: Labeller, value: float) -> None:
    with pytest.raises(ArithmeticError):
        labeller.rank(_logits(1, value, 1), 1)


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
