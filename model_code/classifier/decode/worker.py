"""One decode process: an image's bytes to a crop, within limits of time and memory."""

from __future__ import annotations

import gc
import mmap
import os
import resource
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy

from classifier.decode.channel import (
    APPEARANCE,
    APPEARANCE_OFFSET,
    REPLY,
    REQUEST,
    Assignment,
    ReplyKind,
    receive,
)
from classifier.errors import RequestError
from classifier.image.appearance import measure_appearance
from classifier.image.preprocessing import decode_crop

# The highest score: the kernel kills this process first when memory runs out.
_OOM_SCORE: Final = "1000"


def serve_requests(channel: socket.socket, memory: mmap.mmap, assignment: Assignment) -> None:
    """Decode images until the server closes the channel.

    An image that takes more processor time than allowed ends this process by SIGPROF, which
    neither Python code nor a decoder can delay.
    """
    _limit(assignment.memory_bytes)
    with suppress(EOFError, ConnectionError):
        while True:
            length, measured = REQUEST.unpack(receive(channel, REQUEST.size))
            signal.setitimer(signal.ITIMER_PROF, assignment.cpu_seconds)
            try:
                _decode(memory, length, assignment, measured=measured)
                kind, text = ReplyKind.IMAGE, b""
            except RequestError as error:
                kind, text = ReplyKind.REFUSED, f"{error.code}\t{error.message}".encode()
            signal.setitimer(signal.ITIMER_PROF, 0)
            channel.sendall(REPLY.pack(kind, len(text)) + text)


def _decode(memory: mmap.mmap, length: int, assignment: Assignment, *, measured: bool) -> None:
    layout = assignment.layout
    try:
        data = memory[layout.encoded_offset : layout.encoded_offset + length]
        shared = numpy.frombuffer(memory, numpy.uint8, 3 * layout.crop**2, layout.crop_offset)
        crop = decode_crop(
            data,
            assignment.preprocessing,
            reduce_to=assignment.reduce_to,
            target=shared.reshape(layout.crop, layout.crop, 3),
        )
        appearance = measure_appearance(crop) if measured else None
    except MemoryError as error:
        gc.collect()
        raise RequestError(
            "unreadable_image",
            "Decoding the image takes more memory than is allowed; save it smaller.",
        ) from error
    if appearance is not None:
        numbers = (appearance.brightness, appearance.sharpness)
        APPEARANCE.pack_into(memory, APPEARANCE_OFFSET, *numbers)


def _limit(memory_bytes: int) -> None:
    with suppress(AttributeError, OSError):
        # A batch process waits for its time slice instead of preempting the network's threads and
        # evicting their data from the caches. Not available on macOS.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # No process or thread may survive this one, which would keep its socket and its memory.
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    with suppress(OSError, ValueError):
        # RLIMIT_DATA counts private memory only, not the memory shared with the server. macOS has
        # neither /proc nor this limit.
        status = Path("/proc/self/statm").read_text().split()
        at_start = int(status[5]) * os.sysconf("SC_PAGE_SIZE")
        limit = at_start + memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
