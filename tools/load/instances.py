"""How many instances of an endpoint are in service, over time."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError


@dataclass(frozen=True)
class Sample:
    """The instances at one time.

    Attributes:
        at: seconds of the monotonic clock.
        instances: in service.
        status: SageMaker's EndpointStatus.
    """

    at: float
    instances: int
    status: str


class InstanceWatch:
    """Reads the number of instances again and again, in a thread.

    Args:
        sagemaker: boto3 client.
        endpoint: the endpoint's name.
        interval_seconds: between two calls.
    """

    def __init__(self, sagemaker: Any, endpoint: str, interval_seconds: float) -> None:
        self._sagemaker = sagemaker
        self._endpoint = endpoint
        self._interval_seconds = interval_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.samples: list[Sample] = []
        self.problem: str | None = None

    def __enter__(self) -> "InstanceWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def instances(self) -> int | None:
        """The last number; None: not known yet."""
        return self.samples[-1].instances if self.samples else None

    def _run(self) -> None:
        while True:
            try:
                self.samples.append(sample_instances(self._sagemaker, self._endpoint))
            except (BotoCoreError, ClientError) as error:
                self.problem = str(error)  # a test goes on without the number
            if self._ended.wait(self._interval_seconds):
                return


def sample_instances(sagemaker: Any, endpoint: str) -> Sample:
    """Return the instances of an endpoint now; a serverless one has none.

    Args:
        sagemaker: boto3 client.
        endpoint: the endpoint's name.
    """
    described = sagemaker.describe_endpoint(EndpointName=endpoint)
    return Sample(time.monotonic(), count_instances(described), described["EndpointStatus"])


def count_instances(described: Mapping[str, Any]) -> int:
    """Return the instances in DescribeEndpoint's response; 0 for a serverless endpoint."""
    return sum(each.get("CurrentInstanceCount", 0) for each in described["ProductionVariants"])


def changes(samples: list[Sample]) -> list[Sample]:
    """Return the first sample, and each whose number of instances is another than before."""
    return [
        sample
        for number, sample in enumerate(samples)
        if number == 0 or sample.instances != samples[number - 1].instances
    ]
