"""`python -m local_cloud`: clouds side by side, and nothing left behind."""

import io
import json
import os
import re
import signal
import socket
import stat
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import local_cloud, processes_naming, processes_of_group, run_tool
from tools.aws import aws_client


def start(state: Path) -> dict[str, Any]:
    ended = local_cloud(state, "up", "--port", "0", "--public-port", "0")
    assert ended.returncode == 0, ended.stderr
    described = local_cloud(state, "status", "--json")
    found: dict[str, Any] = json.loads(described.stdout)
    return found


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    places = (tmp_path_factory.mktemp("left"), tmp_path_factory.mktemp("right"))
    yield places
    for place in places:
        local_cloud(place, "down")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of one cloud that runs, for the tests that leave it as it is."""
    state = tmp_path_factory.mktemp("one")
    start(state)
    yield state
    local_cloud(state, "down")


def ports_of(described: dict[str, Any]) -> list[int]:
    addresses = (described["public_url"], described["environment"]["AWS_ENDPOINT_URL"])
    return [int(address.rpartition(":")[2]) for address in addresses]


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_two_clouds_run_side_by_side_and_end_without_a_trace(clouds: tuple[Path, Path]) -> None:
    described = [start(state) for state in clouds]
    buckets = []
    for number, one in enumerate(described):
        s3 = aws_client("s3", one["environment"])
        s3.create_bucket(Bucket=f"only-in-{number}")
        buckets.append([bucket["Name"] for bucket in s3.list_buckets()["Buckets"]])
    assert buckets == [["only-in-0"], ["only-in-1"]]
    for state, one in zip(clouds, described, strict=True):
        assert processes_naming(str(state))
        assert all(is_open(port) for port in ports_of(one))
        began = time.monotonic()
        ended = local_cloud(state, "down")
        assert (ended.returncode, ended.stdout) == (0, "The local cloud is down.\n")
        assert time.monotonic() - began < 10
        assert processes_naming(str(state)) == {}
        assert not any(is_open(port) for port in ports_of(one))
        left = {path.name for path in state.iterdir()}
        assert left == {"logs"}, "only the logs may stay"
        assert stat.S_IMODE((state / "logs").stat().st_mode) == 0o700


def test_a_second_up_finds_the_first(cloud: Path) -> None:
    first = json.loads(local_cloud(cloud, "status", "--json").stdout)
    again = local_cloud(cloud, "up", "--port", "0", "--public-port", "0")
    assert "is already running" in again.stdout
    assert start(cloud)["process_id"] == first["process_id"]


def test_the_plain_port_carries_the_deployed_api_alone(cloud: Path) -> None:
    described = json.loads(local_cloud(cloud, "status", "--json").stdout)
    for path in ("/", "/_ministack/health", "/restapis", "/a-bucket/a-key"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(described["public_url"] + path)  # noqa: S310 - http, ours
        assert refused.value.code == 404
        assert b"Nothing is deployed here" in refused.value.read()
        refused.value.close()


def test_a_cloud_whose_files_were_deleted_ends_by_itself(tmp_path: Path) -> None:
    state = tmp_path / "state"
    start(state)
    state.rename(tmp_path / "moved")
    deadline = time.monotonic() + 15
    while processes_naming(str(state)):
        assert time.monotonic() < deadline, "still running"
        time.sleep(0.2)


SLEEPING = """from subprocess import DEVNULL, Popen

def handler(event, context):
    Popen(["sleep", "614"], stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
"""


def start_function(described: dict[str, Any]) -> None:
    """Let a cloud run a function that starts a process, which does not end with its parent."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("sleeping.py", SLEEPING)
    service = {"Service": "lambda.amazonaws.com"}
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": service}
    document = {"Version": "2012-10-17", "Statement": [trust]}
    role = aws_client("iam", described["environment"]).create_role(
        RoleName="any", AssumeRolePolicyDocument=json.dumps(document)
    )["Role"]["Arn"]
    functions = aws_client("lambda", described["environment"])
    functions.create_function(
        FunctionName="sleeping", Runtime="python3.13", Handler="sleeping.handler", Role=role,
        Code={"ZipFile": code.getvalue()},
    )  # fmt: skip
    functions.get_waiter("function_active_v2").wait(FunctionName="sleeping")
    assert functions.invoke(FunctionName="sleeping")["StatusCode"] == 200


def test_nothing_of_a_killed_cloud_runs_on(tmp_path: Path) -> None:
    described = start(tmp_path)
    cloud = described["process_id"]
    start_function(described)
    (started,) = processes_naming("sleep 614")
    assert started in processes_of_group(cloud)
    os.kill(cloud, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while left := processes_of_group(cloud):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.2)


@pytest.mark.parametrize(
    "ports", [(), ("--port", "0"), ("--public-port", "0"), ("--port", "0", "--public-port", "4580")]
)
def test_no_test_can_take_the_default_ports(tmp_path: Path, ports: tuple[str, ...]) -> None:
    with pytest.raises(AssertionError, match="--p"):
        local_cloud(tmp_path, "up", *ports)
    with pytest.raises(AssertionError, match="--p"):
        run_tool("tools.local.up", "--state-directory", str(tmp_path), *ports)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["70000", "-1", "http"])
def test_a_port_that_is_none(tmp_path: Path, port: str) -> None:
    ended = local_cloud(tmp_path, "up", "--port", port, "--public-port", "0")
    assert ended.returncode == 2
    assert "expected 0 to 65535" in ended.stderr


def test_a_state_directory_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = local_cloud(tmp_path / "file", "up", "--port", "0", "--public-port", "0")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert str(tmp_path / "file") in ended.stderr


def test_status_of_nothing(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    ended = local_cloud(nowhere, "status")
    assert (ended.returncode, ended.stdout) == (3, "No local cloud runs here.\n")
    assert local_cloud(nowhere, "down").stdout == "No local cloud runs here.\n"
    assert not nowhere.exists()


def test_a_taken_port_is_named_with_its_process_and_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = local_cloud(tmp_path, "up", "--port", port, "--public-port", "0")
    assert ended.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be used" in ended.stderr
    assert f"process {os.getpid()}" in ended.stderr
    assert re.search(r"make up PORT=\d+ PUBLIC_PORT=\d+", ended.stderr)
    assert "Traceback" not in ended.stderr


def test_a_port_of_another_cloud_is_named_with_that_clouds_folder(
    cloud: Path, tmp_path: Path
) -> None:
    port = str(ports_of(start(cloud))[1])
    ended = local_cloud(tmp_path, "up", "--port", "0", "--public-port", port)
    assert ended.returncode == 1
    assert f"the local cloud of {cloud}" in ended.stderr
    assert "make down" in ended.stderr


def test_a_missing_serving_environment_is_named(tmp_path: Path) -> None:
    missing = ("--serving-python", "/nonexistent/python")
    ended = local_cloud(tmp_path, "up", "--port", "0", "--public-port", "0", *missing)
    assert ended.returncode == 1
    assert "make environments" in ended.stderr
