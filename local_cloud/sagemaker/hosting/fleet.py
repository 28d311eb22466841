"""The instances of one production variant."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from local_cloud.sagemaker.hosting.instance import Instance


class NoHealthyInstanceError(Exception):
    """Every instance of the variant is down; they are being started again."""


class Fleet:
    """Starts, stops and chooses among instances that are alike.

    Args:
        make_instance: makes the instance of a given number, counted from 1.
    """

    def __init__(self, make_instance: Callable[[int], Instance]) -> None:
        self._make_instance = make_instance
        self._instances: list[Instance] = []
        self._made = 0
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """How many instances there are, healthy or not."""
        return len(self._instances)


    def resize(self, count: int) -> None:
        """Start or stop instances until there are `count`; new ones are healthy on return.

        Raises:
            HostingError: a new instance could not be started; none of the new ones is kept.
        """
        missing = count - self.size
        if missing > 0:
            self._add(missing)
        else:
            with self._lock:
                surplus, self._instances = self._instances[count:], self._instances[:count]
            _each(Instance.stop, surplus)

    @contextmanager
    def lease(self) -> Iterator[Instance]:
        """Lend the healthy instance with the fewest requests under way.

        Raises:
            NoHealthyInstanceError: there is none.
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
    """Do one thing to all instances at once; raise the first error after all are done."""
    if not instances:
        return
    with ThreadPoolExecutor(max_workers=len(instances)) as pool:
        futures = [pool.submit(action, instance) for instance in instances]
    for future in futures:
        future.result()
