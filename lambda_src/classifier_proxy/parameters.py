import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from classifier_proxy.errors import (
    InvalidOrderError,
    InvalidRequestError,
    InvalidScoresError,
    InvalidTopKError,
)

MAX_TOP_K = 999_999_999
"""Larger numbers are reduced to this: no model has that many classes, so both return them all."""

MANY_CLASSES = 1000
"""A response with fewer classes than this is small: 100 KB with long labels."""

ALL = "all"
ORDERS = ("score", "class")
SCORES = ("probabilities", "logits")


@dataclass(frozen=True)
class Parameters:
    """The predictions to return; the same names in a query, in JSON and in a form.

    Attributes:
        top_k: number of classes; `ALL` for every class; None: the container's default.
        order: one of `ORDERS`: highest score first, or every class in the order of the labels.
        scores: one of `SCORES`.
    """

    top_k: int | str | None = None
    order: str = "score"
    scores: str = "probabilities"

    @property
    def lists_all_classes(self) -> bool:
        """Whether every class of the model is requested explicitly."""
        return self.order == "class" or self.top_k == ALL

    @property
    def requests_many_classes(self) -> bool:
        """Whether the caller can request fewer if the response is too large."""
        many = isinstance(self.top_k, int) and self.top_k > MANY_CLASSES
        return many or self.lists_all_classes


PARAMETER_NAMES = frozenset(field.name for field in fields(Parameters))


def parse_parameters(query: Mapping[str, Sequence[str]], members: Mapping[str, Any]) -> Parameters:
    """Parse and check the parameters of a request.

    Args:
        query: every value of each query parameter, as text.
        members: value by name, from the JSON body, the form or the event; others are ignored.

    Raises:
        InvalidTopKError: `top_k` is neither one whole number from 1 nor `ALL`.
        InvalidOrderError: `order` is not one of `ORDERS`, or is "class" together with `top_k`.
        InvalidScoresError: `scores` is not one of `SCORES`.
        InvalidRequestError: the query has an unknown parameter.
    """
    if unknown := sorted(query.keys() - PARAMETER_NAMES):
        raise InvalidRequestError(
            f"The query parameter {unknown[0][:40]!a} is unknown; the parameters are"
            f" {', '.join(sorted(PARAMETER_NAMES))}."
        )
    top_k = _value("top_k", query, members, InvalidTopKError)
    order = _value("order", query, members, InvalidOrderError)
    scores = _value("scores", query, members, InvalidScoresError)
    parameters = Parameters(
        top_k=None if top_k == () else _parse_top_k(top_k[0]),
        order="score" if order == () else _choice("order", order[0], ORDERS, InvalidOrderError),
        scores=(
            "probabilities"
            if scores == ()
            else _choice("scores", scores[0], SCORES, InvalidScoresError)
        ),
    )
    if parameters.order == "class" and parameters.top_k is not None:
        raise InvalidOrderError("order=class lists every class; send order or top_k, not both.")
    return parameters


def _value(
    name: str,
    query: Mapping[str, Sequence[str]],
    members: Mapping[str, Any],
    error: type[InvalidTopKError | InvalidOrderError | InvalidScoresError],
) -> tuple[Any, ...]:
    """Return a tuple with the value, or an empty tuple: None itself is an (invalid) value."""
    values = (*query.get(name, ()), *([members[name]] if name in members else []))
    if len(values) > 1:
        raise error(
            f"{name} is given more than once; give it once, either in the query or in the body."
        )
    return values


def _parse_top_k(value: Any) -> int | str:
    if value == ALL:
        return ALL
    # int() alone would accept " 5", "+5", "1_0" and digits of every script.
    text = str(value) if isinstance(value, int) else value
    number = re.fullmatch(r"0*([1-9][0-9]*)", text) if isinstance(text, str) else None
    if number is None:
        raise InvalidTopKError(
            f'top_k must be a whole number from 1, or "{ALL}"; above the model\'s number of classes'
            " it returns all of them."
        )
    # The digits are counted first, because Python refuses to convert thousands of them.
    is_larger = len(number[1]) > len(str(MAX_TOP_K))
    return MAX_TOP_K if is_larger else int(number[1])


def _choice(
    name: str,
    value: Any,
    choices: Sequence[str],
    error: type[InvalidOrderError | InvalidScoresError],
) -> str:
    for choice in choices:
        if value == choice:
            return choice
    expected = " or ".join(f'"{choice}"' for choice in choices)
    raise error(f"{name} must be {expected}.")
