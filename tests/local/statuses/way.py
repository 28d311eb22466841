from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.lambda_src.stand_in import Behaviour, SageMakerRuntime
from tests.local.api_requests import Request
from tests.local.statuses.cloud import Cloud

Situation = Callable[[Cloud], AbstractContextManager[SageMakerRuntime | None]]
"""Puts the cloud into a state, yields the stand-in for SageMaker if there is one, and restores the
cloud."""


@contextmanager
def as_deployed(_cloud: Cloud) -> Iterator[None]:
    """Change nothing."""
    yield


@dataclass(frozen=True)
class Way:
    """A request and a situation that cause one error.

    Attributes:
        request: the request.
        situation: state of the cloud during the request.
        sagemaker: behaviour of the stand-in, in a situation that has one.
        message: the error message, if it is not that of the row.
    """

    request: Request
    situation: Situation = as_deployed
    sagemaker: Behaviour | None = None
    message: str | None = None
