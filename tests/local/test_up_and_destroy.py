"""`make up` twice, then `make destroy`: what a person does with a laptop."""

import re
import shlex
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import local_cloud, run_tool, up
from tools.aws import aws_client
from tools.cdk import ROOT
from tools.local.deployment import read_local_deployment


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
    destroyed = run_tool(
        "tools.deployment.destroy", "--stage", "local", "--state-directory", str(place)
    )
    assert "emptied: " in destroyed.stdout
    stacks = aws_client("cloudformation", environment).describe_stacks()["Stacks"]
    assert [stack["StackName"] for stack in stacks] == ["CDKToolkit"]
    assert aws_client("sagemaker", environment).list_endpoints()["Endpoints"] == []


def check_pasted_curl(output: str, folder: Path = ROOT) -> None:
    """Run the printed command as a shell would in the folder of `make up`."""
    command = output[output.index("curl --noproxy") :].partition("\n\n")[0]
    ended = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl --silent --show-error ", 1)],  # noqa: S607
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert '"predictions"' in ended.stdout, ended.stdout + shlex.quote(command)
