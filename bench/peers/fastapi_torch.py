"""FastAPI and torch, by hand: the network in a pool of threads, off the event loop."""

from __future__ import annotations

import asyncio
import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import FastAPI, Request
from PIL import Image
from settings import MODEL_FOLDER, THREAD_COUNT
from torch_classifier import TorchClassifier

app = FastAPI()
classifier = TorchClassifier(MODEL_FOLDER, THREAD_COUNT)
# Starlette's own has 40 threads, each of which would run the network: slower by a tenth.
threads = ThreadPoolExecutor(int(os.environ["BENCH_POOL_THREADS"]))


@app.post("/classify")
async def classify(request: Request) -> dict[str, Any]:
    """Answer a picture's bytes with the five best classes."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(threads, answer, await request.body())


def answer(data: bytes) -> dict[str, Any]:
    """Decode, preprocess and classify one picture."""
    image = classifier.preprocess(Image.open(io.BytesIO(data)))
    return {"predictions": classifier.classify(image[None])[0]}
