"""FastAPI and torch, by hand: the network in a thread pool, uvicorn's workers as processes."""

from __future__ import annotations

import io
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from PIL import Image
from settings import MODEL_FOLDER, THREAD_COUNT
from torch_classifier import TorchClassifier

app = FastAPI()
classifier = TorchClassifier(MODEL_FOLDER, THREAD_COUNT)


@app.post("/classify")
async def classify(request: Request) -> dict[str, Any]:
    """Answer a picture's bytes with the five best classes."""
    return await run_in_threadpool(answer, await request.body())


def answer(data: bytes) -> dict[str, Any]:
    """Decode, preprocess and classify one picture."""
    image = classifier.preprocess(Image.open(io.BytesIO(data)))
    return {"predictions": classifier.classify(image[None])[0]}
