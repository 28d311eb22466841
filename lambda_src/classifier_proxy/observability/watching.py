from collections.abc import Callable
from contextlib import AbstractContextManager

from classifier_proxy.requests import ClassificationRequest
from classifier_proxy.service import Endpoint

Watch = Callable[[ClassificationRequest], AbstractContextManager[None]]
"""What stands around one call; it lets what the call raises through."""


class WatchedEndpoint:
    """An endpoint each call of which is watched, those that fail too; a `service.Endpoint`.

    Args:
        endpoint: the endpoint that does the work.
        watch: what stands around each call.
    """

    def __init__(self, endpoint: Endpoint, watch: Watch) -> None:
        self._endpoint = endpoint
        self._watch = watch

    @property
    def longest_call_seconds(self) -> float:
        """The longest that `invoke` takes before it gives up, every attempt included."""
        return self._endpoint.longest_call_seconds

    def invoke(self, request: ClassificationRequest) -> bytes:
        """Pass the call on.

        Args:
            request: what to classify.

        Returns:
            The body of the answer, unchecked.

        Raises:
            ProxyError: what the endpoint raises.
        """
        with self._watch(request):
            return self._endpoint.invoke(request)
