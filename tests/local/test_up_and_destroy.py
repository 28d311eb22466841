"""`make up` twice, then `make destroy`: what a person does with a laptop."""

import contextlib
import json
import os
import re
import shlex
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.local.conftest import all_process_ids, local_cloud, run_tool, up
from tools.aws import aws_client
from tools.cdk import ROOT
from tools.local_deployment import read_local_deployment


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("again")
    yield place
    local_cloud(place, "down")


def endpoint(place: Path) -> Any:
    environment = read_local_deployment(place / "local.json").environment
    return aws_client("sagemaker", environment).describe_endpoint(EndpointName="whippet-local")


def test_up_twice_then_destroy(place: Path) -> None:
    first = up(place)
    assert re.search(r"The image shows: (\S+)\. The model says: \1\.", first.stdout)
    assert stat.S_IMODE((place / "local.json").stat().st_mode) == 0o600
    key = read_local_deployment(place / "local.json").api_key
    assert key not in first.stdout
    check_pasted_curl(first.stdout)

    before = endpoint(place)
    second = up(place)
    assert "The image shows" in second.stdout
    after = endpoint(place)
    untouched = ("EndpointConfigName", "LastModifiedTime", "CreationTime")
    assert [after[name] for name in untouched] == [before[name] for name in untouched]

    environment = read_local_deployment(place / "local.json").environment
    datasets = aws_client("s3", environment).list_buckets()["Buckets"]
    aws_client("s3", environment).put_object(
        Bucket=next(b["Name"] for b in datasets if "dataset" in b["Name"]), Key="a.png", Body=b"x"
    )
    destroyed = run_tool("tools.destroy", "--stage", "local", "--state-directory", str(place))
    assert "emptied: " in destroyed.stdout
    stacks = aws_client("cloudformation", environment).describe_stacks()["Stacks"]
    assert [stack["StackName"] for stack in stacks] == ["CDKToolkit"]
    assert aws_client("sagemaker", environment).list_endpoints()["Endpoints"] == []


def test_a_deployed_cloud_ends_in_time_and_leaves_no_process(place: Path) -> None:
    up(place)
    deployment = read_local_deployment(place / "local.json")
    # A client that keeps its connection, and an instance and a Lambda worker that have worked.
    client = aws_client("s3", deployment.environment)
    client.list_buckets()
    group = json.loads((place / "cloud.json").read_text())["process_id"]
    assert len(processes_of_group(group)) >= 3, "the cloud, a model server and a Lambda worker"
    began = time.monotonic()
    assert local_cloud(place, "down").returncode == 0
    assert time.monotonic() - began < 10
    assert processes_of_group(group) == []
    for address in (deployment.api_url, deployment.environment["AWS_ENDPOINT_URL"]):
        port = urlsplit(address).port or 0
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def processes_of_group(group: int) -> list[int]:
    found = []
    for pid in all_process_ids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) == group:
                found.append(pid)
    return found


def check_pasted_curl(output: str, folder: Path = ROOT) -> None:
    """Run the printed command as a shell would in the folder of `make up`."""
    command = output[output.index("curl --noproxy") :].partition("\n\n")[0]
    ended = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl --silent --show-error ", 1)],  # noqa: S607
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert '"predictions"' in ended.stdout, ended.stdout + shlex.quote(command)
