"""The instances of one production variant."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from local_cloud.sagemaker.hosting.instance import Instance

# How long an instance that is to stop may still respond, and how often that is looked at.
DRAIN_SECONDS = 30.0
_DRAIN_POLL_SECONDS = 0.02


class NoHealthyInstanceError(Exception):
    """No instance of the variant is healthy."""


class Fleet:
    """Identical instances: starts and stops them, and routes requests to them.

    Args:
        make_instance: creates the instance with the given number, counted from 1.
    """

    def __init__(self, make_instance: Callable[[int], Instance]) -> None:
        self._make_instance = make_instance
        self._instances: list[Instance] = []
        self._made = 0
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Number of instances, healthy or not."""
        return len(self._instances)

    @property
    def outstanding(self) -> int:
        """Requests that wait for a response, of all instances."""
        return sum(instance.outstanding for instance in self._instances)

    @property
    def process_ids(self) -> list[int]:
        """Ids of the processes of the instances that run."""
        found = [instance.process_id for instance in list(self._instances)]
        return [process_id for process_id in found if process_id is not None]

    def resize(self, count: int, *, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Start or stop instances until there are `count`; all new ones are healthy on return.

        Args:
            count: number of instances.
            drain_seconds: how long those that stop may respond to their requests before.

        Raises:
            HostingError: a new instance could not be started; the other new ones were stopped.
        """
        missing = count - self.size
        if missing > 0:
            self._add(missing)
        else:
            with self._lock:
                surplus, self._instances = self._instances[count:], self._instances[:count]
            # They get no further request: what they have need not fail.
            deadline = time.monotonic() + drain_seconds
            while time.monotonic() < deadline and any(each.outstanding for each in surplus):
                time.sleep(_DRAIN_POLL_SECONDS)
            _each(Instance.stop, surplus)

    @contextmanager
    def lease(self) -> Iterator[Instance]:
        """Yield the healthy instance with the fewest in-flight requests.

        Raises:
            NoHealthyInstanceError: no instance is healthy.
        """
        with self._lock:
            healthy = [instance for instance in self._instances if instance.healthy]
            if not healthy:
                raise NoHealthyInstanceError
            instance = min(healthy, key=lambda candidate: candidate.outstanding)
            instance.outstanding += 1
        try:
            yield instance
        finally:
            with self._lock:
                instance.outstanding -= 1

    def _add(self, count: int) -> None:
        first = self._made + 1
        self._made += count
        new = [self._make_instance(number) for number in range(first, first + count)]
        try:
            _each(Instance.start, new)
        except BaseException:
            _each(Instance.stop, new)
            raise
        with self._lock:
            self._instances += new


def _each(action: Callable[[Instance], None], instances: list[Instance]) -> None:
    """Run an action for all instances in parallel; raise the first error when all have ended."""
    if not instances:
        return
    with ThreadPoolExecutor(max_workers=len(instances)) as pool:
        futures = [pool.submit(action, instance) for instance in instances]
    for future in futures:
        future.result()
