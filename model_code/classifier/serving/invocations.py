"""`POST /invocations`: classify the images of a request."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final, NamedTuple

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from classifier.decode.pool import CPU_SECONDS
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
    internal_error_response,
)
from classifier.serving.limits import RequestLimits
from classifier.serving.negotiation import negotiate
from classifier.serving.pipeline import Pipeline
from classifier.serving.responses import encode_response
from classifier.serving.settings import ServerSettings

_ACCEPT: Final = b"accept"
_CONTENT_TYPE: Final = b"content-type"
_CUSTOM_ATTRIBUTES: Final = b"x-amzn-sagemaker-custom-attributes"

_log = logging.getLogger("classifier.serving.server")


class _Headers(NamedTuple):
    """The headers that a request is served by; the first of several, but every `Accept`."""

    content_type: str | None
    custom_attributes: str | None
    accept: str


class Invocations:
    """An ASGI application for one path and method; it admits what it can serve in time."""

    def __init__(
        self,
        pipeline: Pipeline,
        postprocessor: Postprocessor,
        admission: Admission,
        counters: Counters,
        settings: ServerSettings,
    ) -> None:
        self._pipeline = pipeline
        self._postprocessor = postprocessor
        self._admission = admission
        self._counters = counters
        self._settings = settings
        self._limits = RequestLimits()
        self._bodies = BodyReader(max_body_bytes=settings.max_body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Classify the images in the body, log one line, and send the response."""
        started = time.perf_counter()
        headers = _read_headers(scope)
        outcome = "ok"
        try:
            content, media_type = await self._respond(headers, receive)
            response = Response(content, headers={"Content-Type": media_type})
        except RequestError as error:
            outcome = error.code
            is_output = self._settings.is_batch and error.code in ABOUT_THE_IMAGE
            response = error_record(error) if is_output else error_response(error)
        except ClientDisconnect:
            outcome = "client_gone"
            response = Response(status_code=400)
        except Exception:
            self._counters.count("internal_error", _milliseconds_since(started))
            await internal_error_response()(scope, receive, send)
            raise
        duration_ms = _milliseconds_since(started)
        self._counters.count(outcome, duration_ms)
        fields = {"outcome": outcome, "status": response.status_code, "duration_ms": duration_ms}
        if request_id := read_request_id(headers.custom_attributes):
            fields["request_id"] = request_id
        _log.info("invocation", extra={"fields": fields})
        await response(scope, receive, send)

    async def _respond(self, headers: _Headers, receive: Receive) -> tuple[bytes, str]:
        # Before the body is read: a full queue is known at once.
        self._admission.check()
        with self._limits.begin(receive) as limit, await self._bodies.read(receive, limit) as body:
            deadline = asyncio.get_running_loop().time() + self._settings.deadline_ms / 1000
            parsed = await self._parse(headers.content_type, body)
            response_type = negotiate(headers.accept, parsed.form)
            attributes = read_attributes(
                headers.custom_attributes,
                class_count=self._postprocessor.class_count,
                gives_logits=self._postprocessor.gives_logits,
            )
            decode_seconds = [_decode_seconds(image) for image in parsed.images]
            with self._admission.place(sum(decode_seconds)):
                self._counters.observe_in_flight(self._admission.request_count)
                limit.watch_client()
                limit.set_end(deadline, _deadline_passed)
                results = await self._pipeline.compute(
                    parsed.images, decode_seconds, measured=attributes.measurements
                )
                return encode_response(
                    response_type,
                    parsed.form,
                    results,
                    attributes=attributes,
                    postprocessor=self._postprocessor,
                )

    async def _parse(self, content_type: str | None, body: bytes | bytearray) -> ImageRequest:
        most = self._settings.max_instances
        if is_image_alone(content_type):
            return read_request(content_type, body, max_images=most)
        # In a thread: ten megabytes take 0.06 to 0.13 s as JSON, 0.02 to 0.06 s as a form.
        return await asyncio.to_thread(read_request, content_type, body, max_images=most)


def _read_headers(scope: Scope) -> _Headers:
    values: dict[bytes, list[bytes]] = {_ACCEPT: [], _CONTENT_TYPE: [], _CUSTOM_ATTRIBUTES: []}
    for name, value in scope["headers"]:
        if name in values:
            values[name].append(value)
    content_types, attributes = values[_CONTENT_TYPE], values[_CUSTOM_ATTRIBUTES]
    return _Headers(
        content_types[0].decode("latin-1") if content_types else None,
        attributes[0].decode("latin-1") if attributes else None,
        b", ".join(values[_ACCEPT]).decode("latin-1"),
    )


def _deadline_passed() -> RequestError:
    return RequestError(
        "overloaded", "The response was not ready in time; try again.", retry_after_seconds=1
    )


def _decode_seconds(image: bytes | memoryview | RequestError) -> float:
    if isinstance(image, RequestError):
        return 0.0
    # Decoding that takes longer is ended.
    return min(CPU_SECONDS, estimate_decode_seconds(image))


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
