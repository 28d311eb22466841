"""The smallest pictures there are, and what else may be sent in their place."""

import base64

from hypothesis import strategies

from tools.api_docs.openapi_schemas import IMAGE_EXAMPLE

# One pixel each, made with Pillow.
_JPEG = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP///////////////////////////////////////////////////////////"
    "///////////////////////////wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAf/EABQQAQAAAAAAAAAAAA"
    "AAAAAAAAD/2gAIAQEAAD8AH//Z"
)
_WEBP = "UklGRh4AAABXRUJQVlA4TBEAAAAvAAAAAAdQvGrVo/+BiOh/AAA="

PICTURES = {
    "image/jpeg": base64.b64decode(_JPEG),
    "image/png": base64.b64decode(IMAGE_EXAMPLE["image"]),
    "image/webp": base64.b64decode(_WEBP),
}
"""A good picture of each media type."""


def pictures(media_type: str) -> strategies.SearchStrategy[bytes]:
    """Return bodies of a media type: good, cut short, changed in places, too long, no picture."""
    good = PICTURES[media_type]
    ends = strategies.integers(0, len(good))
    places = strategies.integers(0, len(good) - 1)
    changes = strategies.lists(strategies.tuples(places, strategies.integers(0, 255)), max_size=4)
    return strategies.one_of(
        strategies.sampled_from(list(PICTURES.values())),
        ends.map(lambda end: good[:end]),
        changes.map(lambda made: _changed(good, made)),
        strategies.binary(max_size=64).map(lambda more: good + more),
        strategies.binary(max_size=256),
    )


def _changed(picture: bytes, changes: list[tuple[int, int]]) -> bytes:
    made = bytearray(picture)
    for place, value in changes:
        made[place] = value
    return bytes(made)
