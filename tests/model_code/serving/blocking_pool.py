"""The decode pool for tests that want to wait for each image, from several threads at once."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

from classifier.artifact.manifest import Preprocessing
from classifier.decode.pool import DecodePool
from classifier.decode.process import DecodedImage
from classifier.image.appearance import Appearance
from classifier.image.preprocessing import ByteArray

START_SECONDS = 10


class BlockingPool:
    """A `DecodePool` on an event loop in a thread of its own.

    Attributes:
        loop: that event loop.
    """

    def __init__(self, preprocessing: Preprocessing, **options: Any) -> None:
        self.pool = DecodePool(preprocessing, **options)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
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
        # See proc(5): utime and stime of the process, cutime and cstime of ended children.
        ticks = sum(_ticks(self._keeper)[2:])
        ticks += sum(sum(_ticks(process)[:2]) for process in self.processes())
        return ticks / os.sysconf("SC_CLK_TCK")

    def processes(self) -> list[int]:
        """The IDs of its decode processes, as soon as all have been started."""
        path = Path(f"/proc/{self._keeper}/task/{self._keeper}/children")
        deadline = time.monotonic() + START_SECONDS
        while True:
            processes = [int(child) for child in path.read_text().split()]
            if len(processes) == self.pool.process_count or time.monotonic() > deadline:
                return processes
            time.sleep(0.005)

    @property
    def _keeper(self) -> int:
        return self.pool._keeper._process.pid

    def close(self) -> None:
        self.pool.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _run(self, data: bytes, *, measured: bool) -> DecodedImage:
        decoding = self.pool.decode(data, measured=measured)
        return asyncio.run_coroutine_threadsafe(decoding, self.loop).result()


def _ticks(process: int | str) -> list[int]:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return [int(field) for field in fields[11:15]]
