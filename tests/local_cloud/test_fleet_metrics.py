"""What is measured of the processes of a fleet, in virtual time."""

import contextlib
import copy
import subprocess
import sys
import threading
import time
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
        self.pid, self.samples = pid, 0
        self.end = threading.Event()  # copies share it
        self.family: list[StandInProcess] = []

    def is_running(self) -> bool:
        return not self.end.is_set()

    def children(self, *, recursive: bool) -> list["StandInProcess"]:
        assert recursive
        if self.end.is_set():
            raise psutil.NoSuchProcess(self.pid)
        # Each call makes new objects for the same processes.
        return [copy.copy(child) for child in self.family]

    def memory_percent(self) -> float:
        if self.end.is_set():
            raise psutil.NoSuchProcess(self.pid)
        return 1.0

    def cpu_percent(self) -> float:
        self.samples += 1
        return 40.0 if self.samples > 1 else 0.0


class Recorder:
    """The endpoints of one fleet, and the metrics that were recorded."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.memory: list[float] = []
        self.process_ids = [7]
        fleet = SimpleNamespace(outstanding=0, size=1, process_ids=self.process_ids)
        variant = SimpleNamespace(name="primary", fleet=fleet)
        self._deployment = SimpleNamespace(variants=[variant])

    def deployments(self) -> dict[Any, Any]:
        return {("scope", "endpoint"): self._deployment}

    def put_metric(self, name: str, value: float, **_members: Any) -> None:
        if name == "CPUUtilization":
            self.cpu.append(value)
        elif name == "MemoryUtilization":
            self.memory.append(value)

    def clear(self) -> None:
        self.cpu.clear()
        self.memory.clear()


class Minutes:
    """Measures a recorder's fleet once a minute of virtual time."""

    def __init__(self, recorder: Any, disk: Path) -> None:
        self._recorder, self._now = recorder, 600.0
        self._metrics = FleetMetrics(
            recorder, recorder, lambda _metric, _start, _end: 1.0, Clock(now=lambda: self._now),
            disk,
        )  # fmt: skip
        self._metrics.tick()

    def pass_one(self) -> list[float]:
        """Return the CPU use that was recorded."""
        self._recorder.clear()
        self._now += 60
        self._metrics.tick()
        return list(self._recorder.cpu)


def test_a_process_id_that_is_used_again_is_another_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[StandInProcess] = []

    def process(pid: int) -> StandInProcess:
        made.append(StandInProcess(pid))
        return made[-1]

    monkeypatch.setattr(psutil, "Process", process)
    minutes = Minutes(Recorder(), tmp_path)
    assert [minutes.pass_one() for _ in range(2)] == [[0.0], [40.0]]
    # The instance is replaced by a process that happens to get the same id.
    for each in made:
        each.end.set()
    assert [minutes.pass_one() for _ in range(2)] == [[0.0], [40.0]]


def test_children_that_appear_and_end_count_while_they_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server, first, second = StandInProcess(7), StandInProcess(8), StandInProcess(9)
    monkeypatch.setattr(psutil, "Process", lambda _pid: server)
    recorder = Recorder()
    minutes = Minutes(recorder, tmp_path)
    minutes.pass_one()
    assert minutes.pass_one() == [40.0]
    server.family = [first, second]
    assert (minutes.pass_one(), recorder.memory) == ([40.0], [3.0])
    assert (minutes.pass_one(), recorder.memory) == ([120.0], [3.0])
    # One ends after it was listed: the others still count.
    second.end.set()
    assert (minutes.pass_one(), recorder.memory) == ([80.0], [2.0])
    server.family = []
    assert (minutes.pass_one(), recorder.memory) == ([40.0], [1.0])


_BURN = "while True: pass"
_PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {_BURN!r}])
print(child.pid, flush=True)
time.sleep(600)
"""


def test_the_work_of_a_servers_child_is_the_servers(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        child = psutil.Process(int(server.stdout.readline()))
        try:
            recorder = Recorder()
            recorder.process_ids[:] = [server.pid]
            minutes = Minutes(recorder, tmp_path)
            minutes.pass_one()
            time.sleep(1)
            # The server itself sleeps; other programs may use the same cores.
            (busy,) = minutes.pass_one()
            assert 10 < busy < 150
            child.kill()
            (idle,) = minutes.pass_one()
            assert 0 <= idle < 150
            time.sleep(0.5)
            (later,) = minutes.pass_one()
            assert 0 <= later < 10
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
            server.kill()
