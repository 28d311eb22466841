import time
from collections.abc import Iterator
from contextlib import contextmanager

from classifier_proxy.errors import InvalidUrlError, UrlNotAllowedError
from classifier_proxy.observability.telemetry import Telemetry
from classifier_proxy.observability.watching import WatchedEndpoint
from classifier_proxy.requests import ClassificationRequest, FetchPicture
from classifier_proxy.service import Endpoint


def timed(endpoint: Endpoint, telemetry: Telemetry) -> Endpoint:
    """Measure every call of an endpoint, of those that fail too.

    Args:
        endpoint: does the work.
        telemetry: where the measurements go.

    Returns:
        An endpoint that does the same.
    """

    @contextmanager
    def watch(request: ClassificationRequest) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            telemetry.record_call(request, _milliseconds_since(started))

    return WatchedEndpoint(endpoint, watch)


def timed_fetch(fetch_picture: FetchPicture, telemetry: Telemetry) -> FetchPicture:
    """Measure every fetch of a picture, of those that fail too.

    Args:
        fetch_picture: does the work.
        telemetry: where the measurements go.

    Returns:
        A function that does the same. An address that is refused is not measured: the time that
        takes nothing would hide in the average what pictures take.
    """

    def fetch(url: str) -> bytes:
        started = time.perf_counter()
        is_fetch = True
        try:
            return fetch_picture(url)
        except (InvalidUrlError, UrlNotAllowedError):
            is_fetch = False
            raise
        finally:
            if is_fetch:
                telemetry.record_fetch(_milliseconds_since(started))

    return fetch


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
