"""What is measured of the processes of a fleet, in virtual time."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from local_cloud.clock import Clock
from local_cloud.sagemaker.hosting.fleet_metrics import FleetMetrics


class StandInProcess:
    """A process whose CPU use is told from its first sample on, as psutil does."""

    def __init__(self, pid: int) -> None:
        self.pid, self.is_ended, self.samples = pid, False, 0

    def is_running(self) -> bool:
        return not self.is_ended

    def children(self, *, recursive: bool) -> list["StandInProcess"]:
        assert recursive
        if self.is_ended:
            raise psutil.NoSuchProcess(self.pid)
        return []

    def memory_percent(self) -> float:
        return 1.0

    def cpu_percent(self) -> float:
        self.samples += 1
        return 40.0 if self.samples > 1 else 0.0


class Recorder:
    """The endpoints of one fleet, and the metrics that were recorded."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        fleet = SimpleNamespace(outstanding=0, size=1, process_ids=[7])
        variant = SimpleNamespace(name="primary", fleet=fleet)
        self._deployment = SimpleNamespace(variants=[variant])

    def deployments(self) -> dict[Any, Any]:
        return {("scope", "endpoint"): self._deployment}

    def put_metric(self, name: str, value: float, **_members: Any) -> None:
        if name == "CPUUtilization":
            self.cpu.append(value)


def test_a_process_id_that_is_used_again_is_another_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[StandInProcess] = []

    def process(pid: int) -> StandInProcess:
        made.append(StandInProcess(pid))
        return made[-1]

    monkeypatch.setattr(psutil, "Process", process)
    recorder: Any = Recorder()
    now = 600.0
    metrics = FleetMetrics(
        recorder, recorder, lambda _metric, _start, _end: 1.0, Clock(now=lambda: now), tmp_path
    )

    def minute() -> list[float]:
        nonlocal now
        recorder.cpu.clear()
        now += 60
        metrics.tick()
        return list(recorder.cpu)

    metrics.tick()
    assert [minute(), minute()] == [[0.0], [40.0]]
    # The instance is replaced by a process that happens to get the same id.
    for each in made:
        each.is_ended = True
    found = [minute() for _ in range(2)]
    assert found == [[0.0], [40.0]]
