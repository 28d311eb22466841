"""FastAPI and torch, with the network in a pool of threads beside the event loop."""

import asyncio
import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch_classifier
from fastapi import FastAPI, Request
from PIL import Image
from settings import MODEL_FOLDER, THREAD_COUNT

app = FastAPI()
classifier = torch_classifier.Classifier(MODEL_FOLDER, THREAD_COUNT)
# Starlette's own has 40 threads, each of which would run the network: slower by a tenth.
threads = ThreadPoolExecutor(int(os.environ["BENCH_POOL_THREADS"]))


@app.post("/classify")
async def classify(request: Request) -> dict[str, Any]:
    """Return the five most probable classes of the image in the body."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(threads, classify_image, await request.body())


def classify_image(data: bytes) -> dict[str, Any]:
    """Decode, preprocess and classify an image."""
    image = classifier.preprocess(Image.open(io.BytesIO(data)))
    return {"predictions": classifier.classify(image[None])[0]}
