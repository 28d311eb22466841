"""SageMaker's container contract over HTTP: `GET /ping` and `POST /invocations`.

See "Custom inference code with hosting services" in the SageMaker developer guide.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from classifier.classification import PictureClassifier
from classifier.codecs import check_content_type, requested_top_k
from classifier.decode_pool import DecodePool
from classifier.errors import RequestError
from classifier.settings import ServerSettings

CUSTOM_ATTRIBUTES_HEADER: Final = "x-amzn-sagemaker-custom-attributes"
RETRY_AFTER_SECONDS: Final = 1

_CODE_BY_HTTP_STATUS: Final = {404: "not_found", 405: "method_not_allowed"}
_log = logging.getLogger("classifier.server")


class InferenceServer:
    """Admits as many requests as it can answer soon, and computes them off the event loop."""

    def __init__(
        self, classifier: PictureClassifier, decoders: DecodePool, settings: ServerSettings
    ) -> None:
        self._classifier = classifier
        self._decoders = decoders
        self._max_body_bytes = settings.max_body_bytes
        self._free_places = settings.worker_count + settings.queue_length
        # Apart, so that pictures which take long to decode do not hold up the network.
        self._decode_threads = ThreadPoolExecutor(settings.decode_process_count, "decode")
        self._network_threads = ThreadPoolExecutor(settings.worker_count, "network")

    def create_application(self) -> Starlette:
        """Return the ASGI application; serve it only after the engine's warm-up."""
        return Starlette(
            routes=[
                Route("/ping", self.ping, methods=["GET"]),
                Route("/invocations", self.invocations, methods=["POST"]),
            ],
            exception_handlers={HTTPException: answer_http_exception, Exception: answer_fault},
        )

    async def ping(self, _request: Request) -> Response:
        """Answer 200; the socket is opened only once the model has answered a warm-up."""
        if not self._decoders.is_alive:
            return answer_request_error(
                RequestError("not_healthy", "The decode processes have ended.")
            )
        return Response()

    async def invocations(self, request: Request) -> Response:
        """Classify the picture in the body and log one line about it."""
        started = time.perf_counter()
        fields: dict[str, object] = {}
        try:
            response = JSONResponse(await self._answer(request))
        except RequestError as error:
            fields["code"] = error.code
            response = answer_request_error(error)
        except ClientDisconnect:
            fields["code"] = "client_gone"
            response = JSONResponse(None, 400)
        fields["status"] = response.status_code
        fields["duration_ms"] = round((time.perf_counter() - started) * 1000, 1)
        _log.info("invocation", extra={"fields": fields})
        return response

    async def _answer(self, request: Request) -> dict[str, Any]:
        if self._free_places == 0:
            raise RequestError("overloaded", "Every place in the queue is taken; try again soon.")
        # One event loop, and no await since the check: no lock is needed.
        self._free_places -= 1
        try:
            data = await self._read_body(request)
            check_content_type(request.headers.get("content-type"))
            attributes = request.headers.get(CUSTOM_ATTRIBUTES_HEADER)
            top_k = requested_top_k(attributes, self._classifier.class_count)
            loop = asyncio.get_running_loop()
            image = await loop.run_in_executor(self._decode_threads, self._decoders.decode, data)
            return await loop.run_in_executor(
                self._network_threads, self._classifier.classify, image, top_k
            )
        finally:
            self._free_places += 1

    async def _read_body(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            # The HTTP server reads and drops the rest, so the sender sees the answer.
            if len(body) > self._max_body_bytes:
                raise RequestError(
                    "payload_too_large", f"The body may have at most {self._max_body_bytes} bytes."
                )
        if not body:
            raise RequestError("empty_body", "The body is empty; send a picture's bytes.")
        return bytes(body)


def answer_request_error(error: RequestError) -> JSONResponse:
    """Answer with the error's status and `{"code", "message"}`."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if error.status == 503 else None
    return JSONResponse({"code": error.code, "message": error.message}, error.status, headers)


async def answer_http_exception(_request: Request, error: Exception) -> Response:
    """Answer what the router refuses, an unknown path or method, in the same shape."""
    if not isinstance(error, HTTPException):
        raise error
    code = _CODE_BY_HTTP_STATUS[error.status_code]
    return JSONResponse({"code": code, "message": error.detail}, error.status_code, error.headers)


async def answer_fault(_request: Request, _error: Exception) -> Response:
    """Answer a fault of ours; its reason goes to the log, not to the caller."""
    return answer_request_error(
        RequestError("internal_error", "The picture could not be classified.")
    )
