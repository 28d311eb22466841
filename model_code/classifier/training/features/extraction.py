"""Run a network over image files with the engine that serves it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from classifier.artifact.manifest import Preprocessing
from classifier.engines.engine import EngineError
from classifier.errors import RequestError
from classifier.image.preprocessing import ByteArray, FloatArray, decode_crop
from classifier.training.cores import core_count
from classifier.training.errors import NetworkError

# Images in flight for each core: one is decoded, one computed, the others wait for them.
_IN_FLIGHT_PER_CORE: Final = 4


@dataclass(frozen=True)
class Output:
    """What the network returned for a file, or why it could not be decoded.

    Attributes:
        values: one row.
        problem: why there are none.
        crop: the pixels that the network was given, crop x crop x 3.
    """

    values: FloatArray | None
    problem: str = ""
    crop: ByteArray | None = None


class Network:
    """A network on all cores, for many images, until it is closed."""

    def __init__(
        self, path: Path, preprocessing: Preprocessing, width: int, *, precision: str = "fp32"
    ) -> None:
        """Load an ONNX network with the input `image` and the output `logits`, N x width.

        Args:
            path: of the network.
            preprocessing: of the images.
            width: numbers that the network returns for an image.
            precision: `fp32`, or `bf16` where the processor has it.

        Raises:
            NetworkError: it cannot be loaded.
        """
        # Imported here, because it need not be installed.
        from classifier.engines.openvino_engine import HINT_BY_PRECISION, OpenVinoEngine

        self._cores = core_count()
        self._preprocessing = preprocessing
        # The engine belongs to one event loop.
        self._runner = asyncio.Runner()
        try:
            self._engine = OpenVinoEngine(
                path,
                preprocessing=preprocessing,
                class_count=width,
                streams=self._cores,
                precision=HINT_BY_PRECISION[precision],
            )
        except EngineError as error:
            raise NetworkError(str(error)) from error

    def run(self, paths: Sequence[Path], receive: Callable[[int, Output], None]) -> None:
        """Decode and compute files; call `receive` with each one's place and output, in order."""
        self._runner.run(self._run(paths, receive))

    def close(self) -> None:
        """Free the network."""
        self._runner.close()
        self._engine.close()

    async def _run(self, paths: Sequence[Path], receive: Callable[[int, Output], None]) -> None:
        with ThreadPoolExecutor(self._cores) as decoders:
            place = 0
            async for output in self._outputs(paths, decoders):
                receive(place, output)
                place += 1

    async def _outputs(
        self, paths: Sequence[Path], decoders: ThreadPoolExecutor
    ) -> AsyncIterator[Output]:
        waiting = list[asyncio.Task[Output]]()
        try:
            for path in paths:
                waiting.append(asyncio.create_task(self._output(path, decoders)))
                if len(waiting) == _IN_FLIGHT_PER_CORE * self._cores:
                    yield await waiting.pop(0)
            while waiting:
                yield await waiting.pop(0)
        finally:
            for task in waiting:
                task.cancel()

    async def _output(self, path: Path, decoders: ThreadPoolExecutor) -> Output:
        loop = asyncio.get_running_loop()
        crop = await loop.run_in_executor(decoders, read_crop, path, self._preprocessing)
        if isinstance(crop, str):
            return Output(None, crop)
        return Output(await self._engine.infer(crop), crop=crop)


def read_crop(path: Path, preprocessing: Preprocessing) -> ByteArray | str:
    """Return a file's image, crop x crop x 3, or why it cannot be decoded."""
    try:
        return decode_crop(path.read_bytes(), preprocessing)
    except RequestError as error:
        return error.message
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
