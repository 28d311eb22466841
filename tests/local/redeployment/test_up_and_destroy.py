"""`make up` twice, then `make destroy`: the beginning and the end of a deployment on a laptop."""

import re
import stat
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import DEMO_MODEL, run_tool, up
from tests.local.redeployment.conftest import Redeploy
from tests.local.redeployment.pasted_curl import check_pasted_curl
from tools.local.deployment import LocalDeployment, read_local_deployment

ALARM_MEMBERS = (
    "AlarmName", "ComparisonOperator", "EvaluationPeriods", "MetricName", "Namespace", "Period",
    "Statistic", "Threshold",
)  # fmt: skip


def watched_functions(cloudwatch: Any) -> list[tuple[dict[str, Any], str]]:
    """Return the alarms on metrics of a function, each with the function's name."""
    return [
        (alarm, dimension["Value"])
        for alarm in cloudwatch.describe_alarms()["MetricAlarms"]
        for dimension in alarm.get("Dimensions", [])  # an alarm on several metrics has none
        if dimension["Name"] == "FunctionName"
    ]


def test_the_first_up_says_how_to_call_the_api(
    first_up: str, state: Path, deployment: LocalDeployment
) -> None:
    assert re.search(r"The image shows: (\S+)\. The model says: \1\.", first_up)
    assert stat.S_IMODE((state / "local.json").stat().st_mode) == 0o600
    assert deployment.api_key not in first_up
    check_pasted_curl(first_up)


def test_up_again_changes_nothing(
    deployment: LocalDeployment, client: Callable[[str], Any], redeploy: Redeploy
) -> None:
    sagemaker = client("sagemaker")
    before = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
    assert "The image shows" in redeploy(DEMO_MODEL)
    after = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
    untouched = ("EndpointConfigName", "LastModifiedTime", "CreationTime")
    assert [after[name] for name in untouched] == [before[name] for name in untouched]


def test_page_and_alarms_follow_an_api_that_was_recreated(
    state: Path, deployment: LocalDeployment, client: Callable[[str], Any]
) -> None:
    """Their templates are the same, so that the CDK command line leaves their stacks out."""
    cloudformation = client("cloudformation")
    cloudformation.delete_stack(StackName="whippet-local-api")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="whippet-local-api", WaiterConfig={"Delay": 1}
    )
    # The local cloud gives a function the same name again; on AWS its end is random.
    cloudwatch = client("cloudwatch")
    (watched,) = {function for _, function in watched_functions(cloudwatch)}
    for alarm, _ in watched_functions(cloudwatch):
        cloudwatch.put_metric_alarm(
            **{name: alarm[name] for name in ALARM_MEMBERS},
            Dimensions=[{"Name": "FunctionName", "Value": "of-the-api-that-was-deleted"}],
        )
    up(state)
    again = read_local_deployment(state / "local.json")
    assert again.api_url != deployment.api_url
    assert again.page_url is not None
    with urllib.request.urlopen(f"{again.page_url}api/health") as response:  # noqa: S310 - ours
        assert response.status == 200
    assert {function for _, function in watched_functions(cloudwatch)} == {watched}


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
