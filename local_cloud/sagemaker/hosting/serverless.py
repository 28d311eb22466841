"""Containers of a serverless variant: started by requests, stopped when they are idle.

docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from local_cloud.clock import Clock
from local_cloud.sagemaker.errors import AwsError, HostingError, validation_error
from local_cloud.sagemaker.hosting.fleet import DRAIN_SECONDS, NoHealthyInstanceError
from local_cloud.sagemaker.hosting.instance import Instance

# The container must be healthy after 3 minutes (serverless-endpoints-invoke.html).
STARTUP_TIMEOUT_SECONDS: Final = 180.0
# 4 MB (the same page).
MAX_PAYLOAD_BYTES: Final = 4 * 1024 * 1024
# AWS does not document it.
IDLE_MINUTES: Final = 5
_MEMORY_SIZES_MB: Final = frozenset({1024, 2048, 3072, 4096, 5120, 6144})
_DRAIN_POLL_SECONDS: Final = 0.02

# Takes name, value and unit of a metric of the variant.
PutMetric = Callable[[str, float, str], None]


class ThrottledError(AwsError):
    """As many requests as the variant may respond to at once are in flight."""

    def __init__(self, variant_name: str, maximum: int) -> None:
        super().__init__(
            "ThrottlingException",
            f"Rate exceeded: the variant {variant_name} has MaxConcurrency {maximum}",
        )


@dataclass
class _Container:
    instance: Instance
    is_busy: bool = True
    idle_since: float = 0.0


class Containers:
    """Runs each request in a container of its own, which serves later ones while it is warm.

    Args:
        make_instance: creates the container with the given number, counted from 1.
        variant_name: for errors.
        max_concurrency: requests that may be in flight.
        memory_mb: of a container; its use is measured, and not limited.
        put_metric: records a metric of the variant.
        clock: the time after which an idle container is stopped.
    """

    def __init__(
        self,
        make_instance: Callable[[int], Instance],
        *,
        variant_name: str,
        max_concurrency: int,
        memory_mb: int,
        put_metric: PutMetric,
        clock: Clock,
    ) -> None:
        self._make_instance = make_instance
        self._variant_name = variant_name
        self._max_concurrency = max_concurrency
        self._put_metric = put_metric
        self._clock = clock
        self._containers: list[_Container] = []
        self._made = 0
        self.memory_mb = memory_mb
        self._is_stopped = False
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Number of containers, those that start included."""
        return len(self._containers)

    @property
    def outstanding(self) -> int:
        """Requests that wait for a response."""
        return sum(container.is_busy for container in list(self._containers))

    @property
    def process_ids(self) -> list[int]:
        """Ids of the processes of the containers that run."""
        found = [container.instance.process_id for container in list(self._containers)]
        return [process_id for process_id in found if process_id is not None]

    @contextmanager
    def lease(self) -> Iterator[Instance]:
        """Yield a warm container, or start one and wait until it is healthy.

        Raises:
            ThrottledError: too many requests are in flight.
            NoHealthyInstanceError: the variant is being replaced or deleted.
            AwsError: ModelError, the container did not start.
        """
        container, is_new, in_use = self._take()
        self._put_metric("ServerlessConcurrentExecutionsUtilization", in_use, "None")
        try:
            if is_new:
                self._start(container)
            yield container.instance
        finally:
            with self._lock:
                container.is_busy = False
                container.idle_since = self._clock.now()

    def stop_idle(self) -> None:
        """Stop the containers that had no request for some minutes."""
        oldest = self._clock.now() - self._clock.real_seconds(60 * IDLE_MINUTES)
        with self._lock:
            idle = [
                each for each in self._containers if not each.is_busy and each.idle_since <= oldest
            ]
            self._containers = [each for each in self._containers if each not in idle]
        for each in idle:
            # It may take seconds, and the caller has other work.
            threading.Thread(target=each.instance.stop, daemon=True).start()

    def resize(self, count: int, *, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Stop every container; a serverless variant has no other size that could be set.

        Args:
            count: 0.
            drain_seconds: how long they may respond to their requests before.
        """
        if count:
            raise ValueError(f"count = {count}: expected 0")
        with self._lock:
            self._is_stopped = True
        deadline = time.monotonic() + drain_seconds
        while time.monotonic() < deadline and self.outstanding:
            time.sleep(_DRAIN_POLL_SECONDS)
        with self._lock:
            stopped, self._containers = self._containers, []
        for each in stopped:
            each.instance.stop()

    def _take(self) -> tuple[_Container, bool, float]:
        """Return a container that is busy from now on, whether it is new, and the share in use."""
        with self._lock:
            if self._is_stopped:
                raise NoHealthyInstanceError
            busy = self.outstanding
            if busy >= self._max_concurrency:
                raise ThrottledError(self._variant_name, self._max_concurrency)
            in_use = (busy + 1) / self._max_concurrency
            for each in self._containers:
                if not each.is_busy and each.instance.healthy:
                    each.is_busy = True
                    return each, False, in_use
            self._made += 1
            new = _Container(self._make_instance(self._made))
            self._containers.append(new)
            return new, True, in_use

    def _start(self, container: _Container) -> None:
        began = time.perf_counter()
        try:
            container.instance.start()
        except HostingError as error:
            with self._lock:
                self._containers = [each for each in self._containers if each is not container]
            container.instance.stop()
            raise AwsError(
                "ModelError",
                f'Received server error (0) from {self._variant_name} with message "{error}".',
                status=424,
                OriginalStatusCode=500,
                OriginalMessage=str(error),
            ) from error
        self._put_metric("ModelSetupTime", 1e6 * (time.perf_counter() - began), "Microseconds")


def check_serverless(parameters: Mapping[str, Any]) -> None:
    """Refuse what SageMaker refuses in an endpoint configuration with a serverless variant.

    Args:
        parameters: CreateEndpointConfig's.

    Raises:
        AwsError: it has what Serverless Inference does not have.
    """
    variants = parameters["ProductionVariants"]
    serverless = [each for each in variants if "ServerlessConfig" in each]
    if not serverless:
        return
    if len(variants) > 1:
        raise _refusal("several production variants")
    for member in ("KmsKeyId", "DataCaptureConfig", "VpcConfig", "EnableNetworkIsolation"):
        if parameters.get(member):
            raise _refusal(member)
    (variant,) = serverless
    for member in ("InstanceType", "InitialInstanceCount", "InferenceAmiVersion"):
        if member in variant:
            raise _refusal(member)
    wanted = variant["ServerlessConfig"]
    if wanted["MemorySizeInMB"] not in _MEMORY_SIZES_MB:
        sizes = ", ".join(str(size) for size in sorted(_MEMORY_SIZES_MB))
        raise validation_error(
            f"MemorySizeInMB is {wanted['MemorySizeInMB']}; expected one of {sizes}."
        )
    provisioned = wanted.get("ProvisionedConcurrency", 1)
    if provisioned > wanted["MaxConcurrency"]:
        raise validation_error(
            f"ProvisionedConcurrency is {provisioned}; expected at most MaxConcurrency, "
            f"{wanted['MaxConcurrency']}."
        )


def check_model(model: Mapping[str, Any]) -> None:
    """Refuse a model that a serverless variant cannot have.

    Args:
        model: DescribeModel's response.

    Raises:
        AwsError: it has network isolation, a VPC or several containers.
    """
    for member in ("EnableNetworkIsolation", "VpcConfig"):
        if model.get(member):
            raise _refusal(f"{member} of the model {model['ModelName']}")
    if len(model.get("Containers") or []) > 1:
        raise _refusal(f"several Containers of the model {model['ModelName']}")


def _refusal(what: str) -> AwsError:
    return validation_error(f"Serverless Inference does not support {what}.")
