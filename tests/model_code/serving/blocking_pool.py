"""The decode pool for tests that want to wait for each image, from several threads at once."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

from classifier.artifact.manifest import Preprocessing
from classifier.decode.pool import DecodedImage, DecodePool
from classifier.image.appearance import Appearance
from classifier.image.preprocessing import ByteArray


class BlockingPool:
    """A `DecodePool` on an event loop in a thread of its own."""

    def __init__(self, preprocessing: Preprocessing, **options: Any) -> None:
        self.pool = DecodePool(preprocessing, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self.pool.is_alive

    def decode(self, data: bytes) -> ByteArray:
        return self._run(data, measured=False).crop

    def measure(self, data: bytes) -> Appearance | None:
        return self._run(data, measured=True).appearance

    def decoder_seconds(self) -> float:
        """Processor time that its decode processes have used, those that ended included."""
        keeper = self.pool._keeper.pid
        children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        # See proc(5): utime and stime of the process, cutime and cstime of ended children.
        ticks = sum(_ticks(keeper)[2:]) + sum(sum(_ticks(child)[:2]) for child in children)
        return ticks / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.pool.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, data: bytes, *, measured: bool) -> DecodedImage:
        decoding = self.pool.decode(data, measured=measured)
        return asyncio.run_coroutine_threadsafe(decoding, self._loop).result()


def _ticks(process: int | str) -> list[int]:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return [int(field) for field in fields[11:15]]
