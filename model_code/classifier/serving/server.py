"""SageMaker's container contract over HTTP: `GET /ping` and `POST /invocations`.

See "Custom inference code with hosting services" in the SageMaker developer guide.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from classifier.artifact.manifest import Manifest
from classifier.decode.pool import DecodePool
from classifier.engines.engine import Engine
from classifier.errors import RequestError
from classifier.serving.admission import Admission
from classifier.serving.classification import Postprocessor
from classifier.serving.counters import Counters
from classifier.serving.error_responses import (
    error_response,
    http_exception_response,
    unexpected_error_response,
)
from classifier.serving.health import Health, MonitoredEngine
from classifier.serving.invocations import Invocations
from classifier.serving.pipeline import Pipeline
from classifier.serving.settings import ServerSettings

_INVOCATIONS: Final = "/invocations"

_log = logging.getLogger("classifier.serving.server")


class InferenceServer:
    """Admits the requests that it can serve in time, and classifies their images."""

    def __init__(
        self, manifest: Manifest, engine: Engine, decoders: DecodePool, settings: ServerSettings
    ) -> None:
        monitored = MonitoredEngine(engine, crop=manifest.preprocessing.crop)
        admission = Admission(
            place_count=engine.capacity + settings.queue_length,
            parallel_count=engine.capacity,
            decoder_count=decoders.process_count,
            deadline_seconds=settings.deadline_ms / 1000,
        )
        self._counters = Counters()
        self._health = Health(monitored, decoders)
        self._invocations = Invocations(
            Pipeline(decoders, monitored, admission, self._counters),
            Postprocessor(manifest, settings.model_version),
            admission,
            self._counters,
            settings,
        )

    def create_application(self) -> ASGIApp:
        """Return the ASGI application; serve it only after the engine's warm-up."""
        invocations = self._invocations
        starlette = Starlette(
            routes=[
                Route("/ping", self.ping, methods=["GET"]),
                Route(_INVOCATIONS, invocations, methods=["POST"]),
            ],
            exception_handlers={
                HTTPException: http_exception_response,
                Exception: unexpected_error_response,
            },
            lifespan=self._log_counters,
        )
        # `/ping/` is an unknown path like any other, not one to redirect to `/ping`.
        starlette.router.redirect_slashes = False

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            # Past Starlette's router and middleware, which take a fifth of a response's time.
            is_http = scope["type"] == "http"
            if is_http and scope["path"] == _INVOCATIONS and scope["method"] == "POST":
                await invocations(scope, receive, send)
            else:
                await starlette(scope, receive, send)

        return application

    async def ping(self, _request: Request) -> Response:
        """Return 200 if an image could be classified now, else 503."""
        if fault := await self._health.fault():
            _log.warning("ping failed", extra={"fields": {"fault": fault}})
            return error_response(RequestError("not_healthy", fault))
        return Response()

    @asynccontextmanager
    async def _log_counters(self, _application: Starlette) -> AsyncIterator[None]:
        logging_lines = asyncio.create_task(self._counters.log_lines())
        yield
        logging_lines.cancel()
        self._counters.log_line()
