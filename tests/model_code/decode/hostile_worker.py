"""The worker of a decoder that an image can take control of: an image of code is executed.

It replaces `classifier.decode.worker`, which is then called `honest_worker`. Imported by a keeper
only, not by the tests.
"""

from __future__ import annotations

import mmap
import socket
from importlib import import_module
from typing import Any

from classifier.decode.channel import Assignment
from classifier.image.preprocessing import ByteArray

_CODE = b"#!python\n"
# Before the fork: a decode process may not have permission to read the module.
_honest = import_module("classifier.decode.honest_worker")


def serve_requests(channel: socket.socket, memory: mmap.mmap, assignment: Assignment) -> None:
    decode_crop = _honest.decode_crop

    def decode(data: bytes, *arguments: Any, target: ByteArray, **named: Any) -> ByteArray:
        if data.startswith(_CODE):
            exec(data, {"channel": channel, "memory": memory})  # noqa: S102 - a hostile image's own
            target[:] = 0
            return target
        crop: ByteArray = decode_crop(data, *arguments, target=target, **named)
        return crop

    vars(_honest)["decode_crop"] = decode
    _honest.serve_requests(channel, memory, assignment)
