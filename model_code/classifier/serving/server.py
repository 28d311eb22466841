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
from classifier.decode.pool import CPU_SECONDS, DecodePool
from classifier.engines.engine import Engine
from classifier.errors import ABOUT_THE_IMAGE, RequestError
from classifier.image.cost import estimate_decode_seconds
from classifier.serving.admission import Admission
from classifier.serving.attributes import read_attributes, read_request_id
from classifier.serving.bodies import BodyReader
from classifier.serving.classification import Postprocessor
from classifier.serving.codecs import ImageRequest, is_image_alone, read_request
from classifier.serving.counters import Counters
from classifier.serving.error_responses import (
    error_record,
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
            decoder_count=decoders.process_count,
            deadline_seconds=settings.deadline_ms / 1000,
        )
        self._bodies = BodyReader(max_body_bytes=settings.max_body_bytes)
        self._pipeline = Pipeline(decoders, monitored, self._admission, self._counters)

    def create_application(self) -> Starlette:
        """Return the ASGI application; serve it only after the engine's warm-up."""
        application = Starlette(
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
        # `/ping/` is an unknown path like any other, not one to redirect to `/ping`.
        application.router.redirect_slashes = False
        return application

    async def ping(self, _request: Request) -> Response:
        """Return 200 if an image could be classified now, else 503."""
        if fault := await self._health.fault():
            _log.warning("ping failed", extra={"fields": {"fault": fault}})
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
            is_output = self._settings.is_batch and error.code in ABOUT_THE_IMAGE
            response = error_record(error) if is_output else error_response(error)
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
        # Before the body is read: a full queue is known at once.
        self._admission.check()
        async with self._bodies.read(request) as body:
            deadline = asyncio.get_running_loop().time() + self._settings.deadline_ms / 1000
            parsed = await self._parse(request, body)
            response_type = negotiate(", ".join(request.headers.getlist("accept")), parsed.form)
            attributes = read_attributes(
                request.headers.get(CUSTOM_ATTRIBUTES_HEADER),
                class_count=self._postprocessor.class_count,
                gives_logits=self._postprocessor.gives_logits,
            )
            decode_seconds = [_decode_seconds(image) for image in parsed.images]
            with self._admission.place(sum(decode_seconds)):
                self._counters.observe_in_flight(self._admission.request_count)
                computing = self._pipeline.compute(
                    parsed.images, decode_seconds, measured=attributes.measurements
                )
                results = await _unless_gone(request, computing, deadline)
                content, media_type = encode_response(
                    response_type,
                    parsed.form,
                    results,
                    attributes=attributes,
                    postprocessor=self._postprocessor,
                )
        return Response(content, headers={"Content-Type": media_type})

    async def _parse(self, request: Request, body: bytearray) -> ImageRequest:
        content_type = request.headers.get("content-type")
        most = self._settings.max_instances
        if is_image_alone(content_type):
            return read_request(content_type, body, max_images=most)
        # In a thread: ten megabytes take 0.06 to 0.13 s as JSON, 0.02 to 0.06 s as a form.
        return await asyncio.to_thread(read_request, content_type, body, max_images=most)

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
    # The body has been read: the next message can only be the disconnect.
    going = asyncio.ensure_future(request.receive())
    limit = asyncio.timeout_at(deadline)

    def end_work(_going: object) -> None:
        if not limit.expired():
            limit.reschedule(0)

    try:
        # Not a task for `work` and a wait for both, which takes longer.
        async with limit:
            going.add_done_callback(end_work)
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        if going.done():
            raise ClientDisconnect from None
        raise RequestError(
            "overloaded", "The response was not ready in time; try again.", retry_after_seconds=1
        ) from None
    finally:
        going.remove_done_callback(end_work)
        going.cancel()


def _decode_seconds(image: bytes | memoryview | RequestError) -> float:
    if isinstance(image, RequestError):
        return 0.0
    # Decoding that takes longer is ended.
    return min(CPU_SECONDS, estimate_decode_seconds(image))


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
