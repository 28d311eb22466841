"""The decode pool for tests that want to wait for each picture, from several threads at once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from classifier.appearance import Appearance
from classifier.decode_pool import DecodedPicture, DecodePool
from classifier.manifest import Preprocessing
from classifier.preprocessing import ByteArray


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

    def close(self) -> None:
        self.pool.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, data: bytes, *, measured: bool) -> DecodedPicture:
        decoding = self.pool.decode(data, measured=measured)
        return asyncio.run_coroutine_threadsafe(decoding, self._loop).result()
