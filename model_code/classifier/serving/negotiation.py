"""Content negotiation: the response type for a request's Accept header."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Final

from classifier.errors import RequestError
from classifier.serving.codecs import FORM_BY_CONTENT_TYPE, RequestForm


class ResponseType(Enum):
    """Media types of a response. JSON has the requested classes; npy and CSV have all scores."""

    JSON = "application/json"
    NPY = "application/x-npy"
    CSV = "text/csv"


# The first one is used if the caller has no preference.
_OFFER: Final = {response_type.value: response_type for response_type in ResponseType}
_LINES_OFFER: Final = {
    **{
        name: ResponseType.JSON
        for name, form in FORM_BY_CONTENT_TYPE.items()
        if form is RequestForm.LINES
    },
    **_OFFER,
}
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"?')
# More lenient than RFC 9110: Java's HttpURLConnection sends `q=.2` by default.
_WEIGHT = re.compile(r"(?:[01](?:\.[0-9]{0,6})?|\.[0-9]{1,6})")


def negotiate(accept: str | None, form: RequestForm) -> ResponseType:
    """Choose the type that the caller prefers (RFC 9110, section 12.5.1).

    Args:
        accept: the header, with several values joined by commas; missing or empty means JSON.
        form: form of the request. The JSON response to JSON lines is JSON lines, under each of the
            names that Accept may list.

    Raises:
        RequestError: `not_acceptable`.
    """
    if accept is None or not accept.strip():
        return ResponseType.JSON
    return _choose(accept, form)


# Most clients send one header again and again. Headers have at most 64 KiB: 2 MiB are kept.
@lru_cache(maxsize=32)
def _choose(accept: str, form: RequestForm) -> ResponseType:
    offer = _LINES_OFFER if form is RequestForm.LINES else _OFFER
    weight_by_range = _weights(accept)
    weights = {name: _weight(name, weight_by_range) for name in offer}
    best = max(offer, key=weights.__getitem__)
    if weights[best] == 0:
        raise RequestError(
            "not_acceptable",
            f"Accept is {accept[:100]!a}; available here: {', '.join(offer)}.",
        )
    return offer[best]


def _weights(accept: str) -> dict[str, float]:
    """Return the weight of each media range, 0 to 1; malformed ranges are ignored."""
    weights: dict[str, float] = {}
    # A quoted parameter may hold commas and semicolons.
    for item in _QUOTED.sub('""', accept).split(","):
        media_range, *parameters = (part.strip().lower() for part in item.split(";"))
        texts = [text[2:] for text in parameters if text.startswith("q=")] or ["1"]
        if _WEIGHT.fullmatch(texts[0]):
            weight = min(float(texts[0]), 1.0)
            weights[media_range] = max(weight, weights.get(media_range, 0.0))
    return weights


def _weight(name: str, weights: dict[str, float]) -> float:
    # The most specific range counts, even if a wider range has a higher weight.
    for media_range in (name, f"{name.partition('/')[0]}/*", "*/*"):
        if media_range in weights:
            return weights[media_range]
    return 0.0
