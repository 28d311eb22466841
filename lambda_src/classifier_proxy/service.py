from collections.abc import Callable
from typing import Protocol

from classifier_proxy.errors import DeadlineTooShortError
from classifier_proxy.model_response import Answer, parse_classification
from classifier_proxy.requests import ClassificationRequest

ANSWER_RESERVE_SECONDS = 1.0
"""Kept back from the time that is left, to check, log and send the answer."""


class Endpoint(Protocol):
    """Something that classifies pictures, far away and fallible."""

    @property
    def longest_call_seconds(self) -> float:
        """The longest that `invoke` takes before it gives up, every attempt included."""

    def invoke(self, request: ClassificationRequest) -> bytes:
        """Classify one picture.

        Args:
            request: what to classify.

        Returns:
            The body of the answer, unchecked.

        Raises:
            ModelRejectionError: the model's container refused the request.
            EndpointError: one of its kinds; the request was not to blame.
        """


def classify(
    request: ClassificationRequest, endpoint: Endpoint, remaining_seconds: Callable[[], float]
) -> Answer:
    """Ask the endpoint, if its slowest answer would still be in time, and check what it says.

    Args:
        request: what to classify.
        endpoint: whom to ask.
        remaining_seconds: tells how many seconds are left before this function is stopped.

    Returns:
        The container's answer, checked, as `parse_classification` describes it.

    Raises:
        ResponseTooLargeError: more classes were requested than a response can hold.
        DeadlineTooShortError: nothing was asked, there is too little time left.
        ModelRejectionError: the model's container refused the request.
        EndpointError: one of its kinds; the request was not to blame.
    """
    if remaining_seconds() < endpoint.longest_call_seconds + ANSWER_RESERVE_SECONDS:
        raise DeadlineTooShortError
    return parse_classification(endpoint.invoke(request), request.parameters)
