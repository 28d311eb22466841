from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.lambda_src.stand_in import Behaviour, SageMakerRuntime
from tests.local.asking import Request
from tests.local.statuses.cloud import Cloud

Situation = Callable[[Cloud], AbstractContextManager[SageMakerRuntime | None]]
"""Brings the cloud into a state, gives the stand-in that it asks instead of SageMaker if it does
so, and puts everything back."""


@contextmanager
def as_deployed(_cloud: Cloud) -> Iterator[None]:
    """Change nothing."""
    yield


@dataclass(frozen=True)
class Way:
    """How a real request gets one error.

    Attributes:
        request: what is asked.
        situation: of the cloud, while it is asked.
        sagemaker: what the stand-in does, in a situation that has one.
        message: what the answer says, where that is not the row's sentence.
    """

    request: Request
    situation: Situation = as_deployed
    sagemaker: Behaviour | None = None
    message: str | None = None
