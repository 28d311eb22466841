"""Addresses of objects in S3 as arguments of tools."""

import argparse
import re
from typing import Final, NamedTuple

_URI: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]+[a-z0-9])/(\S(?:.*\S)?)")


class S3Uri(NamedTuple):
    """A bucket and the key of an object, or the beginning of keys."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def parse_s3_uri(text: str) -> S3Uri:
    """Return the parts of an address; for `type=` of argparse.

    Raises:
        ArgumentTypeError: it is no such address.
    """
    found = _URI.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r}: expected s3://<bucket>/<key>")
    return S3Uri(bucket=found[1], key=found[2].rstrip("/"))
