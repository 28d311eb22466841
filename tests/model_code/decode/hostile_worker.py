"""The worker of a decoder that an image can take control of: an image of code is executed.

It replaces `classifier.decode.worker`, which is then called `honest_worker`. Imported by a keeper
only, not by the tests.
"""

from __future__ import annotations

import mmap
import socket
from importlib import import_module

from PIL import Image

from classifier.decode.channel import Assignment

_CODE = b"#!python\n"
# Before the fork: a decode process may not have permission to read the module.
_honest = import_module("classifier.decode.honest_worker")


def serve_requests(channel: socket.socket, memory: mmap.mmap, assignment: Assignment) -> None:
    decode_image = _honest.decode_image

    def decode(data: bytes, *, reduce_to: int | None) -> Image.Image:
        if data.startswith(_CODE):
            exec(data, {"channel": channel, "memory": memory})  # noqa: S102 - a hostile image's own
            return Image.new("RGB", (40, 30))
        decoded: Image.Image = decode_image(data, reduce_to=reduce_to)
        return decoded

    vars(_honest)["decode_image"] = decode
    _honest.serve_requests(channel, memory, assignment)
