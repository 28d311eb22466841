"""Hypothesis strategies for parts of requests that parsers may not handle.

All of them are valid HTTP: control characters, other than ASCII in the first line, a second Host or
Content-Length, an unknown Transfer-Encoding and an Upgrade are rejected before the API, here by
hypercorn and on AWS by its front end. So is a Host that is not the API's.
"""

import base64
import string

from hypothesis import strategies
from hypothesis.strategies import SearchStrategy

from tests.local.images import IMAGES, images

_ENCODED = base64.b64encode(IMAGES["image/png"]).decode()
_STRINGS = strategies.one_of(
    strategies.sampled_from(
        (f'"{_ENCODED}"', f'"{_ENCODED[:-1]}"', f'"{_ENCODED[:9]}\\n"', '"\0"')
    ),
    strategies.sampled_from(
        ('"\ud800"', '"\\ud800"', '"\\u0000"', '""', '"https://x.example/"', '"')
    ),
    strategies.text(max_size=20).map(lambda text: f'"{text}"'),
)
_SCALARS = _STRINGS | strategies.sampled_from(
    ("NaN", "-Infinity", "1e999999", "-0", "01", "0x1", "1" * 5000, "null", "true", "-", "'a'")
)
_KEYS = strategies.sampled_from(('"image"', '"url"', '"\\u0069mage"'))
_PARAMETERS_BESIDE = strategies.sampled_from(('"top_k"', '"order"', '"scores"'))
_OTHER_KEYS = strategies.sampled_from(('"Image"', '"\\ud800"', '""', '"__proto__"', "image"))


def _objects(members: SearchStrategy[tuple[str, str]], most: int) -> SearchStrategy[str]:
    # Repeated keys among them, which a dict could not hold.
    return strategies.lists(members.map(":".join), min_size=1, max_size=most).map(
        lambda made: "{" + ",".join(made) + "}"
    )


_NESTED = strategies.builds(
    lambda opening, inner, closing, depth: opening * depth + inner + closing * depth,
    strategies.sampled_from(("[", '{"image":', '{"url":[')),
    _SCALARS,
    strategies.sampled_from(("]", "}", "]}", "")),
    strategies.integers(1, 5) | strategies.sampled_from((900, 1_100, 100_000)),
)
_GOOD_OR_NEARLY = _objects(strategies.tuples(_KEYS, _STRINGS), 1)
_DOCUMENTS = strategies.one_of(
    _objects(strategies.tuples(_KEYS | _OTHER_KEYS | _PARAMETERS_BESIDE, _SCALARS), 3),
    _objects(strategies.tuples(_KEYS, _NESTED), 2),
    _NESTED,
    _SCALARS,
)
_ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
_DECORATED = strategies.builds(
    lambda before, document, encoding, after: (
        before + document.encode(encoding, "surrogatepass") + after
    ),
    strategies.sampled_from((b"", b" \n", b"\x0c", b"\xff")),
    _GOOD_OR_NEARLY,
    strategies.sampled_from(("utf-8", *_ENCODINGS)),
    strategies.sampled_from((b"", b"\r\n ", b"\0", b" x", b"{}")),
)
JSON_BODIES = _DECORATED | (_GOOD_OR_NEARLY | _DOCUMENTS).map(
    lambda document: document.encode(errors="surrogatepass")
)
"""JSON, nearly JSON, and JSON that no parser should follow to its end."""

BODIES = strategies.one_of(JSON_BODIES, *map(images, IMAGES))

# What a header's value may hold, but no blank at its ends.
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
_HEADER_TEXT = strategies.text(_VISIBLE + "\xa0\xe9\xff", max_size=30)
_MEDIA_TYPES = strategies.sampled_from(
    (*IMAGES, "application/json", "IMAGE/PNG", "Application/JSON", "image/*", "*/*", "image/png,",
     "image", "image/gif", "text/plain", "multipart/form-data", "application/problem+json", "",
     "application/octet-stream", "application/x-www-form-urlencoded", "image/jpg")
)  # fmt: skip
_PARAMETERS = strategies.sampled_from(
    (
        "",
        "",
        ";",
        "; charset=utf-16",
        ';charset="utf-8"',
        "; boundary=x",
        " ; x = y",
        ";;",
        "; \xff",
    )
)
CONTENT_TYPES = strategies.builds(str.__add__, _MEDIA_TYPES, _PARAMETERS) | _HEADER_TEXT

OTHER_HEADERS = strategies.tuples(
    strategies.sampled_from(
        ("Accept", "Accept-Encoding", "Authorization", "Content-Encoding", "Cookie", "Expect",
         "If-None-Match", "Origin", "Range", "Trailer", "X-Amz-Content-Sha256", "X-Amz-Date",
         "X-Amz-Decoded-Content-Length", "X-Amz-Security-Token", "X-Amz-Target", "X-Amzn-Trace-Id",
         "X-Forwarded-For", "X-Forwarded-Proto", "X-Http-Method-Override")
    ),
    strategies.one_of(
        _HEADER_TEXT,
        strategies.sampled_from(
            ("", "-1", "gzip", "br", "aws-chunked", "100-continue", "*/*", "image/png", "bytes=0-3",
             "*", "null", "DELETE", "Bearer x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=x",
             "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "a" * 8_000)
        ),
    ),
)  # fmt: skip
"""A header beside those that the API looks at; API Gateway takes 10,240 bytes of them all."""

_VALUES = strategies.one_of(
    strategies.sampled_from(
        ("", "1", "10", "11", "1000", "1001", "0", "-1", "+3", "3+", "1.5", "1e1", "1_0", "0x1",
         "9" * 4_000, "%D9%A3", "%FF", "%00", "1%00", "1%0a", "%", "%zz", "%EF%BC%93", "1,2", "[1]",
         "all", "class", "score", "logits", "probabilities")
    ),
    strategies.text(string.ascii_letters + string.digits + "%+;=[]", max_size=12),
)  # fmt: skip
_NAMES = strategies.sampled_from(
    (
        "top_k",
        "top_k",
        "top_k",
        "order",
        "scores",
        "TOP_K",
        "top%5fk",
        "top_k[]",
        "",
        "%FF",
        "%",
        "x",
    )
)
QUERIES = strategies.lists(
    strategies.tuples(_NAMES, strategies.sampled_from(("=", "=", "==", "")), _VALUES).map("".join),
    max_size=4,
).flatmap(lambda pairs: strategies.sampled_from(("&", "&", ";", "&&")).map(lambda s: s.join(pairs)))

_SEGMENTS = strategies.sampled_from(
    ("predict", "health", "Predict", "%70redict", "predict%20", "predict%00", "predict%0a", "a",
     "predict;x", "..", ".", "%2e%2e", "%2f", "%5c", "%", "%zz", "%FF", "{proxy+}", "@connections",
     "_user_request_", "a" * 4_000, "")
)  # fmt: skip
PATHS = strategies.lists(_SEGMENTS, max_size=4).map("/".join)

_TOKENS = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"
METHODS = strategies.sampled_from(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "PROPFIND")
) | strategies.text(_TOKENS, min_size=1, max_size=20)
