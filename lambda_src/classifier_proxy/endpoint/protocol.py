from typing import Protocol

from classifier_proxy.requests import ClassificationRequest


class Endpoint(Protocol):
    """A remote endpoint that classifies images."""

    @property
    def max_invoke_seconds(self) -> float:
        """Upper bound of the duration of `invoke`, including all attempts."""

    def invoke(self, request: ClassificationRequest) -> bytes:
        """Classify one image.

        Returns:
            The body of the response, unchecked.

        Raises:
            ModelRejectionError: the model's container rejected the request.
            EndpointError: one of its subclasses; the request was valid but could not be served.
        """
