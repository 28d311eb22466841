"""The options of a request, in SageMaker's CustomAttributes header."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from classifier.errors import RequestError

DEFAULT_TOP_K: Final = 5
_NUMBER = re.compile(r"0*([1-9][0-9]*)")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:=-]{1,128}")
# Python refuses to convert thousands of digits; no network has so many classes.
_MAX_DIGITS: Final = 9


class Attributes(NamedTuple):
    """The options of a request.

    Attributes:
        top_k: predictions of each image, 1 to the number of classes.
        in_class_order: return all classes in the order of the labels instead of the best `top_k`.
        logits: return each class's logit instead of its probability.
        measurements: whether to measure images and predictions; only the JSON response to a single
            image includes them.
    """

    top_k: int
    in_class_order: bool
    logits: bool
    measurements: bool


def read_attributes(
    custom_attributes: str | None, *, class_count: int, gives_logits: bool
) -> Attributes:
    """Read SageMaker's CustomAttributes header, such as `top_k=3,measurements=true`.

    All attributes are optional. `top_k` is `all` or a whole number from 1; a number above
    `class_count` means all. `order` is `score` or `class`; `class` returns all classes and cannot
    be combined with `top_k`. `scores` is `probabilities` or `logits`. Other attributes are
    ignored (tracing uses the same header).

    Args:
        custom_attributes: the header.
        class_count: number of classes of the model.
        gives_logits: whether its network's output is logits.

    Raises:
        RequestError: an attribute above is given twice or has an invalid value: `invalid_top_k`,
            `invalid_order`, `invalid_scores` or `invalid_request` (measurements);
            `logits_unavailable`.
    """
    pairs = _pairs(custom_attributes)
    top_k = _values_of("top_k", pairs)
    in_class_order = _is_second("order", pairs, ("score", "class"), "invalid_order")
    if in_class_order and top_k:
        raise RequestError(
            "invalid_order",
            "order=class gives every class and takes no top_k; leave one of them out.",
        )
    logits = _is_second("scores", pairs, ("probabilities", "logits"), "invalid_scores")
    if logits and not gives_logits:
        raise RequestError(
            "logits_unavailable",
            "This model's network ends in a softmax and has no logits; leave scores=logits out.",
        )
    return Attributes(
        top_k=_read_top_k(top_k, class_count),
        in_class_order=in_class_order,
        logits=logits,
        measurements=_is_second("measurements", pairs, ("false", "true"), "invalid_request"),
    )


def read_request_id(custom_attributes: str | None) -> str | None:
    """Return the attribute `request_id`, for the log; None if it is missing or invalid.

    Args:
        custom_attributes: the header.
    """
    found = _values_of("request_id", _pairs(custom_attributes))
    return found[0] if found and _REQUEST_ID.fullmatch(found[0]) else None


def _pairs(custom_attributes: str | None) -> list[tuple[str, str, str]]:
    if not custom_attributes:
        return []
    return [item.partition("=") for item in custom_attributes.split(",")]


def _values_of(name: str, pairs: Iterable[tuple[str, str, str]]) -> list[str]:
    return [value.strip() for key, _, value in pairs if key.strip() == name]


def _is_second(
    name: str, pairs: Iterable[tuple[str, str, str]], choices: tuple[str, str], code: str
) -> bool:
    """Return whether the value is the second choice; a missing attribute means the first one."""
    values = _values_of(name, pairs)
    if not values:
        return False
    if len(values) > 1 or values[0] not in choices:
        raise RequestError(code, f"{name} must be given once, as {choices[1]} or {choices[0]}.")
    return values == [choices[1]]


def _read_top_k(values: list[str], class_count: int) -> int:
    if not values:
        return min(DEFAULT_TOP_K, class_count)
    if values == ["all"]:
        return class_count
    number = _NUMBER.fullmatch(values[0]) if len(values) == 1 else None
    if number is None:
        raise RequestError(
            "invalid_top_k", "top_k must be given once, as a whole number from 1 or as all."
        )
    digits = number[1]
    return class_count if len(digits) > _MAX_DIGITS else min(int(digits), class_count)
