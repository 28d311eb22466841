"""Instances and fleets, with a stand-in for the model server."""

import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_cloud.sagemaker.errors import HostingError
from local_cloud.sagemaker.hosting import instance as instance_module
from local_cloud.sagemaker.hosting import model_server_client
from local_cloud.sagemaker.hosting.fleet import Fleet, NoHealthyInstanceError
from local_cloud.sagemaker.hosting.instance import Instance, InstanceSpecification

SERVER = Path(__file__).parent / "model_server.py"


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance_module, "_WATCH_POLL_SECONDS", 0.02)
    monkeypatch.setattr(instance_module, "_PING_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(instance_module, "_MAX_RESTART_DELAY_SECONDS", 0.1)
    monkeypatch.setattr(instance_module, "TERMINATION_GRACE_SECONDS", 2.0)
    monkeypatch.setattr(model_server_client, "PING_TIMEOUT_SECONDS", 0.5)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


@pytest.fixture
def make(tmp_path: Path, model: Path) -> Iterator[Callable[..., Instance]]:
    made: list[Instance] = []

    def make(number: int = 1, *, startup_timeout_seconds: float = 20.0) -> Instance:
        specification = InstanceSpecification(
            python=Path(sys.executable),
            server=SERVER,
            model_directory=model,
            environment={"CONTAINER": "yes"},
            startup_timeout_seconds=startup_timeout_seconds,
        )
        made.append(Instance(specification, tmp_path / "logs" / f"{number}.log"))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def invoke(instance: Instance) -> dict[str, Any]:
    response = instance.server.invoke(b"image", {"content-type": "image/png"})
    content: dict[str, Any] = json.loads(response.body)
    return content


def is_running(process_id: int) -> bool:
    return psutil.pid_exists(process_id)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def processes_of(model: Path) -> list[str]:
    """Return the command lines of the servers of a model."""
    lines = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(model) in (command := process.cmdline()):
                lines.append(" ".join(command))
    return lines


def test_an_instance_starts_serves_and_stops(make: Callable[..., Instance]) -> None:
    instance = make()
    health = [instance.healthy]
    instance.start()
    health.append(instance.healthy)
    content = invoke(instance)
    assert content["body"] == "image"
    assert content["variables"]["CONTAINER"] == "yes"
    instance.stop()
    assert [*health, instance.healthy] == [False, True, False]
    assert not is_running(content["process_id"])


def test_an_instance_inherits_no_variable_of_aws(
    make: Callable[..., Instance], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "of-the-user")
    instance = make()
    instance.start()
    assert "AWS_PROFILE" not in invoke(instance)["variables"]


def test_a_killed_server_is_replaced(make: Callable[..., Instance]) -> None:
    instance = make()
    instance.start()
    first = invoke(instance)["process_id"]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not instance.healthy, "the end was not noticed")
    wait_until(lambda: instance.healthy, "not started again")
    assert invoke(instance)["process_id"] != first


@pytest.mark.parametrize("fault", ["hang", "refuse"])
def test_a_server_that_fails_three_pings_is_replaced(
    make: Callable[..., Instance], model: Path, fault: str
) -> None:
    instance = make()
    instance.start()
    first = invoke(instance)["process_id"]
    (model / fault).touch()
    wait_until(lambda: not instance.healthy, "the fault was not noticed")
    (model / fault).unlink()
    wait_until(lambda: instance.healthy, "not started again")
    assert invoke(instance)["process_id"] != first
    assert not is_running(first)


def test_two_failed_pings_replace_nothing(
    make: Callable[..., Instance], monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = make()
    instance.start()
    first = invoke(instance)["process_id"]
    pings = [False, False, True, False, False, True]
    monkeypatch.setattr(instance.server, "ping", lambda: pings.pop(0) if pings else True)
    wait_until(lambda: not pings, "no ping")
    assert invoke(instance)["process_id"] == first


def test_the_watcher_survives_any_error_and_logs_it_once(
    make: Callable[..., Instance], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    instance = make()
    instance.start()
    # A file in the place of the logs' folder: no log can be opened, so that no process starts.
    logs = tmp_path / "logs"
    logs.rename(tmp_path / "moved")
    logs.touch()
    with caplog.at_level(logging.ERROR):
        os.kill(invoke(instance)["process_id"], signal.SIGKILL)
        wait_until(lambda: instance._restarts > 3, "the watcher ended")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.records[0].exc_info, "a defect has its stack trace in the log"
    logs.unlink()
    wait_until(lambda: instance.healthy, "not started again")
    assert invoke(instance)["body"] == "image"


def test_a_restart_that_fails_is_repeated(
    make: Callable[..., Instance], model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    instance = make()
    instance.start()
    (model / "fail").touch()
    os.kill(invoke(instance)["process_id"], signal.SIGKILL)
    wait_until(lambda: instance._restarts > 2, "not repeated")
    assert "the model is damaged" in caplog.text
    assert "Traceback" not in caplog.text
    (model / "fail").unlink()
    wait_until(lambda: instance.healthy, "not started again")


def test_the_stop_of_an_instance_that_is_being_restarted(
    make: Callable[..., Instance], model: Path
) -> None:
    instance = make()
    instance.start()
    (model / "refuse").touch()
    os.kill(invoke(instance)["process_id"], signal.SIGKILL)
    wait_until(lambda: instance._restarts > 0 and bool(processes_of(model)), "not restarted")
    instance.stop()
    wait_until(lambda: processes_of(model) == [], "a process is left")
    assert not instance.healthy


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("fail", "it exited with status 1. the model is damaged"),
        ("refuse", "did not pass the ping health check within 1 s. It printed nothing."),
    ],
)
def test_a_server_that_does_not_start_leaves_no_process(
    make: Callable[..., Instance], model: Path, fault: str, text: str
) -> None:
    (model / fault).touch()
    instance = make(startup_timeout_seconds=1.0)
    with pytest.raises(HostingError, match=text):
        instance.start()
    assert processes_of(model) == []
    assert not instance.healthy


def test_another_port_is_taken_when_the_first_one_was_lost(
    make: Callable[..., Instance], tmp_path: Path
) -> None:
    server = tmp_path / "serve.py"
    server.write_text(
        "import pathlib, sys\n"
        "taken = pathlib.Path(__file__).with_name('taken')\n"
        "if not taken.exists():\n"
        "    taken.touch()\n"
        "    sys.exit('serve.py: cannot listen on 127.0.0.1')\n"
        f"exec(pathlib.Path({str(SERVER)!r}).read_text())\n"
    )
    instance = make()
    instance._specification = replace(instance._specification, server=server)
    instance.start()
    assert invoke(instance)["body"] == "image"


def test_a_fleet_grows_and_shrinks(make: Callable[..., Instance], model: Path) -> None:
    fleet = Fleet(make)
    fleet.resize(2)
    with fleet.lease() as one, fleet.lease() as other:
        processes = {invoke(one)["process_id"], invoke(other)["process_id"]}
    assert len(processes) == 2
    fleet.resize(1)
    assert (fleet.size, len(processes_of(model))) == (1, 1)
    fleet.resize(0)
    assert (fleet.size, processes_of(model)) == (0, [])


def test_a_fleet_that_does_not_start_leaves_nothing(
    make: Callable[..., Instance], model: Path
) -> None:
    def make_one_that_fails(number: int) -> Instance:
        instance = make(number)
        if number == 3:
            instance._specification = replace(instance._specification, server=Path("absent"))
        return instance

    fleet = Fleet(make_one_that_fails)
    fleet.resize(1)
    with pytest.raises(HostingError, match="exited with status 2"):
        fleet.resize(3)
    # Number 2 has started and was stopped; the instance that served before goes on.
    assert (fleet.size, len(processes_of(model))) == (1, 1)
    with fleet.lease() as instance:
        assert invoke(instance)["body"] == "image"


def idle_fleet(make: Callable[..., Instance], count: int) -> tuple[Fleet, list[Instance]]:
    """Return a fleet of instances without processes, all healthy."""
    fleet = Fleet(make)
    instances = [make(number) for number in range(count)]
    for instance in instances:
        instance.healthy = True
    fleet._instances += instances
    return fleet, instances


def test_a_request_goes_to_the_instance_with_the_fewest_in_flight(
    make: Callable[..., Instance],
) -> None:
    fleet, instances = idle_fleet(make, 3)
    with contextlib.ExitStack() as leases:
        first = [leases.enter_context(fleet.lease()) for _ in range(3)]
        assert set(map(id, first)) == set(map(id, instances))
        second = leases.enter_context(fleet.lease())
        others = [leases.enter_context(fleet.lease()) for _ in range(2)]
        assert second not in others
        assert [instance.outstanding for instance in instances] == [2, 2, 2]
    assert [instance.outstanding for instance in instances] == [0, 0, 0]


def test_no_request_goes_to_an_unhealthy_instance(make: Callable[..., Instance]) -> None:
    fleet, (one, other) = idle_fleet(make, 2)
    one.healthy = False
    with fleet.lease() as first, fleet.lease() as second:
        assert (first, second) == (other, other)
    other.healthy = False
    with pytest.raises(NoHealthyInstanceError), fleet.lease():
        pass


def test_a_failed_request_is_no_longer_in_flight(make: Callable[..., Instance]) -> None:
    fleet, (instance,) = idle_fleet(make, 1)
    with pytest.raises(OSError, match="gone"), fleet.lease():
        raise OSError("gone")
    assert instance.outstanding == 0


def test_a_connection_to_an_earlier_port_is_not_used_again(
    make: Callable[..., Instance], model: Path
) -> None:
    before, after = make(1), make(2)
    before.start()
    after.start()
    client, port = before.server, after.server._port
    (model / "slow").touch()
    with ThreadPoolExecutor() as pool:
        last = pool.submit(invoke, before)
        time.sleep(0.2)
        client.move_to(port)
    (model / "slow").unlink()
    assert invoke(before)["process_id"] == invoke(after)["process_id"]
    assert last.result()["process_id"] != invoke(after)["process_id"]
