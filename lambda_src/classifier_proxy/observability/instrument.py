import time
from contextlib import nullcontext
from dataclasses import replace

from classifier_proxy.endpoint.protocol import Endpoint
from classifier_proxy.errors import InvalidUrlError, ProxyError, UrlNotAllowedError
from classifier_proxy.observability.telemetry import Telemetry
from classifier_proxy.observability.xray import Tracer
from classifier_proxy.requests import ClassificationRequest, FetchImage
from classifier_proxy.uploads.protocol import SignedUpload, Uploads


class InstrumentedEndpoint:
    """A `protocol.Endpoint` that measures and traces all invocations, including failed ones.

    The container receives the request's id, for its own log.

    Args:
        endpoint: the endpoint to invoke.
        telemetry: receives the latencies.
        tracer: traces the invocations; None: they are not traced.
    """

    def __init__(self, endpoint: Endpoint, telemetry: Telemetry, tracer: Tracer | None) -> None:
        self._endpoint = endpoint
        self._telemetry = telemetry
        self._tracer = tracer

    @property
    def max_invoke_seconds(self) -> float:
        """See `Endpoint.max_invoke_seconds`."""
        return self._endpoint.max_invoke_seconds

    def invoke(self, request: ClassificationRequest) -> bytes:
        """Invoke the endpoint."""
        started = time.perf_counter()
        try:
            with nullcontext() if self._tracer is None else self._tracer.trace():
                return self._endpoint.invoke(
                    replace(request, request_id=self._telemetry.request_id)
                )
        finally:
            self._telemetry.record_invocation(request, _milliseconds_since(started))


class InstrumentedUploads:
    """A `protocol.Uploads` that measures each read, and logs an image that it could not delete.

    Args:
        uploads: the images.
        telemetry: receives the latencies and the failures.
    """

    def __init__(self, uploads: Uploads, telemetry: Telemetry) -> None:
        self._uploads = uploads
        self._telemetry = telemetry

    @property
    def max_bytes(self) -> int:
        """See `Uploads.max_bytes`."""
        return self._uploads.max_bytes

    def sign(self, content_type: str, content_length: int) -> SignedUpload:
        """See `Uploads.sign`."""
        return self._uploads.sign(content_type, content_length)

    def read(self, key: str) -> bytes:
        """Read an image."""
        started = time.perf_counter()
        try:
            return self._uploads.read(key)
        finally:
            self._telemetry.record_upload_read(_milliseconds_since(started))

    def delete(self, key: str) -> None:
        """Delete an image; a failure is not one of the request."""
        try:
            self._uploads.delete(key)
        except ProxyError as error:
            self._telemetry.record_upload_kept(error)


def measure_fetches(fetch_image: FetchImage, telemetry: Telemetry) -> FetchImage:
    """Measure each fetch of an image by URL, including failed ones.

    A rejected URL is not measured: its 0 ms would lower the average of the real fetches.
    """

    def fetch(url: str) -> bytes:
        started = time.perf_counter()
        is_fetch = True
        try:
            return fetch_image(url)
        except (InvalidUrlError, UrlNotAllowedError):
            is_fetch = False
            raise
        finally:
            if is_fetch:
                telemetry.record_fetch(_milliseconds_since(started))

    return fetch


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
