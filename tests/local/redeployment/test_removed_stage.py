"""`make destroy`: the end of a deployment on a laptop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import run_tool


@pytest.mark.usefixtures("deployment")
def test_destroy_deletes_all(state: Path, client: Callable[[str], Any]) -> None:
    s3 = client("s3")
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    datasets = next(name for name in buckets if "dataset" in name)
    s3.put_object(Bucket=datasets, Key="a.png", Body=b"x")
    destroyed = run_tool(
        "tools.deployment.destroy", "--stage", "local", "--state-directory", str(state)
    )
    assert "emptied: " in destroyed.stdout
    stacks = client("cloudformation").describe_stacks()["Stacks"]
    assert [stack["StackName"] for stack in stacks] == ["CDKToolkit"]
    assert client("sagemaker").list_endpoints()["Endpoints"] == []
