"""The smallest valid images, and invalid variants of them."""

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

IMAGES = {
    "image/jpeg": base64.b64decode(_JPEG),
    "image/png": base64.b64decode(IMAGE_EXAMPLE["image"]),
    "image/webp": base64.b64decode(_WEBP),
}
"""A valid image of each media type."""


def images(media_type: str) -> strategies.SearchStrategy[bytes]:
    """Return bodies of a media type: good, cut short, changed in places, too long, not an image."""
    good = IMAGES[media_type]
    ends = strategies.integers(0, len(good))
    places = strategies.integers(0, len(good) - 1)
    changes = strategies.lists(strategies.tuples(places, strategies.integers(0, 255)), max_size=4)
    return strategies.one_of(
        strategies.sampled_from(list(IMAGES.values())),
        ends.map(lambda end: good[:end]),
        changes.map(lambda made: _changed(good, made)),
        strategies.binary(max_size=64).map(lambda more: good + more),
        strategies.binary(max_size=256),
    )


def _changed(image: bytes, changes: list[tuple[int, int]]) -> bytes:
    made = bytearray(image)
    for place, value in changes:
        made[place] = value
    return bytes(made)
