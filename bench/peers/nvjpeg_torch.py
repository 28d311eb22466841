"""One process with uvicorn, nvJPEG and torch: images are decoded, resized and classified on a GPU.

Images that arrive while a batch is computed are the next batch. Its settings are environment
variables, as those of the other peers.
"""

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import torch
import torchvision
import uvicorn
from settings import BATCH_SIZE, MODEL_FOLDER, PORT
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from torchvision.transforms import v2

from bench.gpu.torch_graphs import MEAN, STD, capture, load

RESIZE, CROP = 232, 224


class GpuClassifier:
    """A network in bf16, recorded for a few batch sizes."""

    def __init__(self, folder: Path) -> None:
        manifest = json.loads((folder / "artifact" / "manifest.json").read_text())
        self._labels = manifest["labels"]
        torch.backends.cudnn.benchmark = True
        weights = torch.load(folder / "weights.pth", weights_only=True)
        self._network = load(manifest["architecture"], weights)
        self._mean = torch.tensor(MEAN, device="cuda").view(1, 3, 1, 1)
        self._std = torch.tensor(STD, device="cuda").view(1, 3, 1, 1)
        sizes = [size for size in (1, 4, 16) if size < BATCH_SIZE] + [BATCH_SIZE]
        self._recorded = [self._record(size) for size in sizes]

    def classify(self, files: list[bytes]) -> list[list[dict[str, Any]]]:
        """Return the five most probable classes of each image (JPEG)."""
        _, inputs, graph, best = next(each for each in self._recorded if each[0] >= len(files))
        encoded = [torch.frombuffer(bytearray(file), dtype=torch.uint8) for file in files]
        decoded = torchvision.io.decode_jpeg(
            encoded, mode=torchvision.io.ImageReadMode.RGB, device="cuda"
        )
        with torch.inference_mode():
            inputs[: len(files)] = self._preprocess(decoded)
            graph.replay()
            values, indices = (each[: len(files)].tolist() for each in best)
        labels = self._labels
        return [
            [{"label": labels[i], "index": i, "probability": p} for i, p in zip(*row, strict=True)]
            for row in zip(indices, values, strict=True)
        ]

    def _preprocess(self, images: list[torch.Tensor]) -> torch.Tensor:
        # Together where all have one size, as here.
        if len({image.shape for image in images}) == 1:
            resized = self._resize(torch.stack(images))
        else:
            resized = torch.cat([self._resize(image[None]) for image in images])
        return ((resized - self._mean) / self._std).to(torch.bfloat16)

    def _resize(self, images: torch.Tensor) -> torch.Tensor:
        resized = v2.functional.resize(images.float(), [RESIZE], antialias=True)
        return v2.functional.center_crop(resized, [CROP, CROP])

    def _record(self, size: int) -> tuple[int, torch.Tensor, torch.cuda.CUDAGraph, Any]:
        inputs = torch.zeros(size, 3, CROP, CROP, device="cuda", dtype=torch.bfloat16)
        inputs = inputs.to(memory_format=torch.channels_last)

        def compute() -> Any:
            return torch.topk(torch.softmax(self._network(inputs).float(), dim=1), 5)

        graph, best = capture(compute)
        return size, inputs, graph, best


class Batches:
    """Images of requests, computed in one thread, as many at a time as have arrived."""

    def __init__(self, classifier: GpuClassifier) -> None:
        self._classifier = classifier
        self._waiting: list[tuple[bytes, asyncio.Future[Any]]] = []
        self._thread = ThreadPoolExecutor(1)
        self._is_running = False

    async def submit(self, file: bytes) -> Any:
        """Return the classes of one image."""
        result = asyncio.get_running_loop().create_future()
        self._waiting.append((file, result))
        if not self._is_running:
            self._is_running = True
            self._task = asyncio.create_task(self._run())
        return await result

    async def _run(self) -> None:
        # The callbacks that are ready now may add images.
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        while batch := self._waiting[:BATCH_SIZE]:
            del self._waiting[:BATCH_SIZE]
            files = [file for file, _ in batch]
            classes = await loop.run_in_executor(self._thread, self._classifier.classify, files)
            for (_, result), each in zip(batch, classes, strict=True):
                if not result.done():
                    result.set_result(each)
        self._is_running = False


def main() -> None:
    """Serve on the port of the environment."""
    batches = Batches(GpuClassifier(MODEL_FOLDER))

    async def classify(request: Request) -> JSONResponse:
        return JSONResponse({"predictions": await batches.submit(await request.body())})

    application = Starlette(routes=[Route("/classify", classify, methods=["POST"])])
    uvicorn.run(application, host="127.0.0.1", port=PORT, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
