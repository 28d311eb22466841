import os
import re

UPLOAD_KEY_PATTERN = "uploads/[0-9a-f]{32}"
"""The S3 key of an uploaded image, which is also the permission to have it classified."""

_RANDOM_BYTES = 16


def create_upload_key() -> str:
    """Return a new key of 128 random bits, which nobody can guess."""
    return f"uploads/{os.urandom(_RANDOM_BYTES).hex()}"


def is_upload_key(key: str) -> bool:
    """Return whether a key is one that `create_upload_key` may have returned."""
    return re.fullmatch(UPLOAD_KEY_PATTERN, key) is not None
