"""`make up` twice, then `make destroy`: the beginning and the end of a deployment on a laptop."""

import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.local.conftest import DEMO_MODEL, run_tool
from tests.local.redeployment.conftest import Redeploy
from tests.local.redeployment.pasted_curl import check_pasted_curl
from tools.local.deployment import LocalDeployment


def test_the_first_up_says_how_to_call_the_api(
    first_up: str, state: Path, deployment: LocalDeployment
) -> None:
    assert re.search(r"The image shows: (\S+)\. The model says: \1\.", first_up)
    assert stat.S_IMODE((state / "local.json").stat().st_mode) == 0o600
    assert deployment.api_key not in first_up
    check_pasted_curl(first_up)


def test_up_again_changes_nothing_and_destroy_deletes_all(
    state: Path,
    deployment: LocalDeployment,
    client: Callable[[str], Any],
    redeploy: Redeploy,
) -> None:
    sagemaker = client("sagemaker")
    before = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
    assert "The image shows" in redeploy(DEMO_MODEL)
    after = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
    untouched = ("EndpointConfigName", "LastModifiedTime", "CreationTime")
    assert [after[name] for name in untouched] == [before[name] for name in untouched]

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
    assert sagemaker.list_endpoints()["Endpoints"] == []
