"""SageMaker's container contract over HTTP: `GET /ping` and `POST /invocations`.

See "Custom inference code with hosting services" in the SageMaker developer guide.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from classifier.artifact.manifest import Manifest
from classifier.decode.pool import DecodePool
from classifier.engines.engine import Engine
from classifier.errors import RequestError
from classifier.serving.admission import Admission
from classifier.serving.attributes import read_attributes, read_request_id
from classifier.serving.classification import Postprocessor
from classifier.serving.codecs import ImageRequest, is_image_alone, read_request
from classifier.serving.counters import Counters
from classifier.serving.error_responses import (
    error_response,
    http_exception_response,
    internal_error_response,
)
from classifier.serving.health import Health, MonitoredEngine
from classifier.serving.negotiation import negotiate
from classifier.serving.pipeline import Pipeline
from classifier.serving.responses import encode_response
from classifier.serving.settings import ServerSettings

CUSTOM_ATTRIBUTES_HEADER: Final = "x-amzn-sagemaker-custom-attributes"
# Limits how long a slow body occupies a place that other requests wait for.
BODY_SECONDS: Final = 10.0

_log = logging.getLogger("classifier.serving.server")


class InferenceServer:
    """Admits the requests that it can serve in time, and classifies their images."""

    def __init__(
        self, manifest: Manifest, engine: Engine, decoders: DecodePool, settings: ServerSettings
    ) -> None:
        monitored = MonitoredEngine(engine, crop=manifest.preprocessing.crop)
        self._postprocessor = Postprocessor(manifest, settings.model_version)
        self._settings = settings
        self._counters = Counters()
        self._health = Health(monitored, decoders)
        self._admission = Admission(
            place_count=engine.capacity + settings.queue_length,
            parallel_count=engine.capacity,
            deadline_seconds=settings.deadline_ms / 1000,
        )
        self._pipeline = Pipeline(decoders, monitored, self._admission, self._counters)

    def create_application(self) -> Starlette:
        """Return the ASGI application; serve it only after the engine's warm-up."""
        return Starlette(
            routes=[
                Route("/ping", self.ping, methods=["GET"]),
                Route("/invocations", self.invocations, methods=["POST"]),
            ],
            exception_handlers={
                HTTPException: http_exception_response,
                Exception: internal_error_response,
            },
            lifespan=self._log_counters,
        )

    async def ping(self, _request: Request) -> Response:
        """Return 200 if an image could be classified now, else 503."""
        if fault := await self._health.fault():
            return error_response(RequestError("not_healthy", fault))
        return Response()

    async def invocations(self, request: Request) -> Response:
        """Classify the images in the body and log one line."""
        started = time.perf_counter()
        outcome = "ok"
        try:
            response = await self._respond(request)
        except RequestError as error:
            outcome = error.code
            response = error_response(error)
        except ClientDisconnect:
            outcome = "client_gone"
            response = Response(status_code=400)
        except Exception:
            self._counters.count("internal_error", _milliseconds_since(started))
            raise
        duration_ms = _milliseconds_since(started)
        self._counters.count(outcome, duration_ms)
        fields = {"outcome": outcome, "status": response.status_code, "duration_ms": duration_ms}
        if request_id := read_request_id(request.headers.get(CUSTOM_ATTRIBUTES_HEADER)):
            fields["request_id"] = request_id
        _log.info("invocation", extra={"fields": fields})
        return response

    async def _respond(self, request: Request) -> Response:
        deadline = asyncio.get_running_loop().time() + self._settings.deadline_ms / 1000
        with self._admission.place():
            self._counters.observe_in_flight(self._admission.request_count)
            parsed = await self._read_request(request)
            response_type = negotiate(", ".join(request.headers.getlist("accept")), parsed.form)
            header = request.headers.get(CUSTOM_ATTRIBUTES_HEADER)
            attributes = read_attributes(
                header,
                class_count=self._postprocessor.class_count,
                gives_logits=self._postprocessor.gives_logits,
            )
            computing = self._pipeline.compute(parsed.images, measured=attributes.measurements)
            results = await _unless_gone(request, computing, deadline)
            body, media_type = encode_response(
                response_type,
                parsed.form,
                results,
                attributes=attributes,
                postprocessor=self._postprocessor,
            )
            return Response(body, headers={"Content-Type": media_type})

    async def _read_request(self, request: Request) -> ImageRequest:
        body = await self._read_body(request)
        content_type = request.headers.get("content-type")
        most = self._settings.max_instances
        if is_image_alone(content_type):
            return read_request(content_type, body, max_images=most)
        # In a thread: ten megabytes take 0.06 to 0.13 s as JSON, 0.02 to 0.06 s as a form.
        return await asyncio.to_thread(read_request, content_type, body, max_images=most)

    async def _read_body(self, request: Request) -> bytearray:
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in request.stream():
                    body += chunk
                    # The HTTP server then drops the rest, so that the client sees the response.
                    if len(body) > self._settings.max_body_bytes:
                        raise RequestError(
                            "payload_too_large",
                            f"The body may have at most {self._settings.max_body_bytes} bytes.",
                        )
        except TimeoutError as error:
            raise RequestError(
                "body_timeout", f"The body did not arrive within {BODY_SECONDS:g} s."
            ) from error
        return body

    @asynccontextmanager
    async def _log_counters(self, _application: Starlette) -> AsyncIterator[None]:
        logging_lines = asyncio.create_task(self._counters.log_lines())
        yield
        logging_lines.cancel()
        self._counters.log_line()


_Result = TypeVar("_Result")


async def _unless_gone(
    request: Request, work: Coroutine[None, None, _Result], deadline: float
) -> _Result:
    """Await `work`, but cancel it if the client disconnects or the deadline passes.

    Raises:
        ClientDisconnect: the client closed its connection.
        RequestError: `overloaded`: the deadline has passed.
    """
    loop = asyncio.get_running_loop()
    working = loop.create_task(work)
    # The body has been read: the next message can only be the disconnect.
    going = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait(
            {working, going}, timeout=deadline - loop.time(), return_when=asyncio.FIRST_COMPLETED
        )
        if working.done():
            return working.result()
        if going.done():
            raise ClientDisconnect
        raise RequestError(
            "overloaded", "The response was not ready in time; try again.", retry_after_seconds=1
        )
    finally:
        working.cancel()
        going.cancel()


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
