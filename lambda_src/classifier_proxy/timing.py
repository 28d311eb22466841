import time

from classifier_proxy.errors import InvalidUrlError, UrlNotAllowedError
from classifier_proxy.schemas import ClassificationRequest, FetchPicture
from classifier_proxy.service import Endpoint
from classifier_proxy.telemetry import Telemetry


class TimedEndpoint:
    """An endpoint whose latency is measured, of failed calls too; satisfies `service.Endpoint`.

    Args:
        endpoint: the endpoint that does the work.
        telemetry: where the measurements go.
    """

    def __init__(self, endpoint: Endpoint, telemetry: Telemetry) -> None:
        self._endpoint = endpoint
        self._telemetry = telemetry

    @property
    def longest_call_seconds(self) -> float:
        """The longest that `invoke` takes before it gives up, every attempt included."""
        return self._endpoint.longest_call_seconds

    def invoke(self, request: ClassificationRequest) -> bytes:
        """Pass the call on and measure it.

        Args:
            request: what to classify.

        Returns:
            The body of the answer, unchecked.

        Raises:
            ProxyError: what the endpoint raises.
        """
        started = time.perf_counter()
        try:
            return self._endpoint.invoke(request)
        finally:
            self._telemetry.record_call(request, _milliseconds_since(started))


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
