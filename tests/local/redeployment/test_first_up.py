"""The first `make up`, of the packaged weights, and one after the API was deleted."""

import re
import stat
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.local.api_requests import classify
from tests.local.conftest import up
from tests.local.redeployment.pasted_curl import check_pasted_curl
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment, read_local_deployment

CAT = ROOT / "samples" / "cat.jpg"
# ImageNet's indices of tabby, tiger cat, Persian, Siamese and Egyptian cat.
CAT_BREEDS = range(281, 286)
ALARM_MEMBERS = (
    "AlarmName", "ComparisonOperator", "EvaluationPeriods", "MetricName", "Namespace", "Period",
    "Statistic", "Threshold",
)  # fmt: skip


def watched_functions(cloudwatch: Any) -> list[tuple[dict[str, Any], str]]:
    """Return the alarms on errors and throttles of a function, each with the function's name."""
    return [
        (alarm, dimension["Value"])
        for alarm in cloudwatch.describe_alarms()["MetricAlarms"]
        for dimension in alarm.get("Dimensions", [])  # an alarm on several metrics has none
        if dimension["Name"] == "FunctionName" and alarm["MetricName"] in {"Errors", "Throttles"}
    ]


def test_the_packages_weights_see_a_cat_in_the_sample(
    first_up: str, deployment: LocalDeployment
) -> None:
    assert "efficientnet_lite0, 1000 classes" in first_up
    status, body = classify(deployment, CAT.read_bytes(), "image/jpeg")
    assert status == 200
    best = body["predictions"][0]
    assert best["index"] in CAT_BREEDS
    assert f"In samples/cat.jpg the model sees: {best['label']}." in first_up


def test_the_first_up_says_how_to_call_the_api(
    first_up: str, state: Path, deployment: LocalDeployment
) -> None:
    assert stat.S_IMODE((state / "local.json").stat().st_mode) == 0o600
    # In the page's link alone: its fragment is not sent to a server.
    assert first_up.count(deployment.api_key) == 1
    assert f"/#key={deployment.api_key}\n" in first_up
    check_pasted_curl(first_up)


def test_up_again_changes_only_what_is_missing_and_what_follows_it(
    state: Path,
    deployment: LocalDeployment,
    client: Callable[[str], Any],
    packaged_model: Path,
) -> None:
    """Their templates are the same, so that the CDK command line leaves their stacks out."""
    cloudformation = client("cloudformation")
    cloudformation.delete_stack(StackName="whippet-local-api")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="whippet-local-api", WaiterConfig={"Delay": 1}
    )
    # The local cloud gives a function the same name again; on AWS its end is random.
    cloudwatch = client("cloudwatch")
    watched = {function for _, function in watched_functions(cloudwatch)}
    assert len(watched) == 2, "those of POST /predict and of GET /health"
    for alarm, _ in watched_functions(cloudwatch):
        cloudwatch.put_metric_alarm(
            **{name: alarm[name] for name in ALARM_MEMBERS},
            Dimensions=[{"Name": "FunctionName", "Value": "of-the-api-that-was-deleted"}],
        )
    sagemaker = client("sagemaker")
    before = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
    up(state, packaged_model)
    log = (state / "logs" / "cdk-deploy.log").read_text()
    assert "build/web: " not in log, "it was built before the synthesis"
    unchanged = re.findall(r"whippet-local-(\w+) \(no changes\)", log)
    assert sorted(unchanged) == [
        "batch", "monitoring", "serving", "storage", "training", "web"
    ]  # fmt: skip
    after = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
    untouched = ("EndpointConfigName", "LastModifiedTime", "CreationTime")
    assert [after[name] for name in untouched] == [before[name] for name in untouched]
    again = read_local_deployment(state / "local.json")
    assert again.api_url != deployment.api_url
    assert again.page_url is not None
    with urllib.request.urlopen(f"{again.page_url}api/health") as response:  # noqa: S310 - ours
        assert response.status == 200
    assert {function for _, function in watched_functions(cloudwatch)} == watched
