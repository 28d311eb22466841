"""The metrics of endpoints that do not come from an invocation.

docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

import contextlib
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from local_cloud.clock import Clock
from local_cloud.cloudwatch.queries import Metric, Read
from local_cloud.sagemaker.endpoints import Endpoints
from local_cloud.sagemaker.hosting.fleet import Fleet
from local_cloud.sagemaker.hosting.serverless import Containers
from local_cloud.sagemaker.platform import Platform

_NAMESPACE: Final = "AWS/SageMaker"
_INSTANCES: Final = "/aws/sagemaker/Endpoints"
# Those that SageMaker emits as 0 for a minute without invocations.
_ZEROS: Final = ("Invocations", "InvocationsPerInstance")


class FleetMetrics:
    """Records concurrency, use of the machine, and zeros for idle variants.

    Args:
        endpoints: whose variants are measured.
        platform: records metrics.
        read: returns a metric's statistic.
        clock: the time.
        disk: a folder on the disk of the instances.
    """

    def __init__(
        self, endpoints: Endpoints, platform: Platform, read: Read, clock: Clock, disk: Path
    ) -> None:
        self._endpoints, self._platform = endpoints, platform
        self._read, self._clock, self._disk = read, clock, disk
        self._minute = math.inf
        self._processes: dict[int, psutil.Process] = {}

    def tick(self) -> None:
        """Sample the concurrency and, once a minute, the rest; stop idle containers."""
        now, length = self._clock.now(), self._clock.minute_seconds
        minute = now // length
        is_new = minute > self._minute
        self._minute = minute
        if is_new:
            self._forget_ended()
        for dimensions, fleet in self._variants():
            if isinstance(fleet, Containers):
                fleet.stop_idle()
                if is_new:
                    self._fill_idle_minute(
                        dimensions, (minute - 1) * length, length, ("Invocations",)
                    )
                    self._put_memory(dimensions, fleet)
                continue
            concurrent = fleet.outstanding / max(fleet.size, 1)
            self._put("ConcurrentRequestsPerModel", concurrent, "None", dimensions)
            if is_new:
                self._fill_idle_minute(dimensions, (minute - 1) * length, length, _ZEROS)
                self._put_use(dimensions, fleet)

    def _forget_ended(self) -> None:
        """Keep only processes that still run: ids are used again, and CPU use is since a sample."""
        self._processes = {
            process_id: process
            for process_id, process in self._processes.items()
            if process.is_running()
        }

    def _variants(self) -> Iterator[tuple[dict[str, str], Fleet | Containers]]:
        for (_scope, name), deployment in self._endpoints.deployments().items():
            for variant in deployment.variants:
                yield {"EndpointName": name, "VariantName": variant.name}, variant.fleet

    def _fill_idle_minute(
        self, dimensions: Mapping[str, str], began: float, length: float, names: Sequence[str]
    ) -> None:
        for name in names:
            metric = Metric(
                namespace=_NAMESPACE, name=name, dimensions=dimensions, statistic="SampleCount"
            )
            if self._read(metric, began, began + length) is None:
                self._platform.put_metric(
                    name, 0.0, unit="None", dimensions=dimensions, at=began + length / 2
                )

    def _put_use(self, dimensions: Mapping[str, str], fleet: Fleet) -> None:
        usage = shutil.disk_usage(self._disk)
        disk = 100 * usage.used / usage.total
        for process_id in fleet.process_ids:
            # A server that ends meanwhile has no use.
            with contextlib.suppress(psutil.Error):
                cpu, memory = self._use(self._known(psutil.Process(process_id)))
                self._put_instance("CPUUtilization", cpu, dimensions)
                self._put_instance("MemoryUtilization", memory, dimensions)
                self._put_instance("DiskUtilization", disk, dimensions)

    def _use(self, server: psutil.Process) -> tuple[float, float]:
        """Return the use of CPU and memory by a server and its children, which decode images.

        Returns:
            Percent of one core since the last look, up to 100 for each core, and percent of the
            memory. A process that is new counts with its memory only.
        """
        cpu, memory = 0.0, 0.0
        for found in (server, *server.children(recursive=True)):
            # A child that ends meanwhile has no use.
            with contextlib.suppress(psutil.Error):
                process = self._known(found)
                memory += process.memory_percent()
                cpu += process.cpu_percent()
        return cpu, memory

    def _known(self, process: psutil.Process) -> psutil.Process:
        """Return the object that has looked at a process before: CPU use is since its last look."""
        return self._processes.setdefault(process.pid, process)

    def _put_memory(self, dimensions: Mapping[str, str], containers: Containers) -> None:
        """Record all that SageMaker publishes of the machines of a serverless variant."""
        for process_id in containers.process_ids:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(process_id)
                family = [process, *process.children(recursive=True)]
                used = sum(each.memory_info().rss for each in family) / 2**20
                percent = 100 * used / containers.memory_mb
                self._put_instance("MemoryUtilization", percent, dimensions)

    def _put(self, name: str, value: float, unit: str, dimensions: Mapping[str, str]) -> None:
        self._platform.put_metric(name, value, unit=unit, dimensions=dimensions)

    def _put_instance(self, name: str, value: float, dimensions: Mapping[str, str]) -> None:
        self._platform.put_metric(
            name, value, unit="Percent", dimensions=dimensions, namespace=_INSTANCES
        )
