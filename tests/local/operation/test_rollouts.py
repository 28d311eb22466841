"""A canary that is slow or fails is rolled back by the stage's alarms; a good one completes.

The figures of a run: `python -m pytest -s tests/local/operation`.
"""

import math
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.local.operation.conftest import MINUTE_SECONDS, SETTINGS, Stage
from tests.local.operation.programs import BROKEN, SLOW, SLOW_SECONDS, make_defective
from tests.local.operation.traffic import Seen, traffic
from tests.local.operation.updates import (
    defective_image,
    deployed_configuration,
    instance_count,
    invocations,
    settled,
    update,
    wait_for_invocation,
)
from tests.local.test_instances import servers
from tools.local.deployment import LocalDeployment

Client = Callable[[str], Any]

INSTANCES = 3
CANARY_SHARE = 1 / INSTANCES
WAITS_SECONDS = (300 + 300) / 60 * MINUTE_SECONDS


@pytest.fixture(scope="session")
def serving(deployment: LocalDeployment, client: Client) -> str:
    """Let scaling add the third instance; the configuration that serves then."""
    sagemaker = client("sagemaker")
    deadline = time.monotonic() + 60
    with traffic(deployment, sagemaker):
        while instance_count(found := settled(sagemaker)) < INSTANCES:
            assert time.monotonic() < deadline, "the fleet does not grow"
            time.sleep(0.2)
    configuration: str = found["EndpointConfigName"]
    return configuration


def check_rolled_back(client: Client, stage: Stage, serving: str, alarm: str) -> None:
    """Check that the endpoint is as before, and says why."""
    found = settled(client("sagemaker"))
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", serving)
    reason = found["FailureReason"]
    assert reason.startswith("The deployment was rolled back: the alarm whippet-local-serving-Roll")
    assert alarm in reason
    assert instance_count(found) == len(servers(stage.state)) == INSTANCES


def of_the_new_fleet(seen: Seen) -> tuple[float, float]:
    """Return when the update began and was rolled back."""
    assert [status for _, status in seen.statuses][-4:] == [
        "InService", "Updating", "RollingBack", "InService",
    ]  # fmt: skip
    return seen.began("Updating"), seen.began("RollingBack")


def test_a_slow_model_is_rolled_back_and_no_request_fails(
    stage: Stage, deployment: LocalDeployment, client: Client, serving: str
) -> None:
    make_defective(stage.clone / "model_code" / "serve.py", SLOW)
    cloudwatch = client("cloudwatch")
    with traffic(deployment, client("sagemaker")) as seen:
        ended = stage.up(check=False)
        check_rolled_back(client, stage, serving, "ModelLatency")
        served = invocations(cloudwatch, deployed_configuration(client))
        time.sleep(1)
    began, rolled_back = of_the_new_fleet(seen)
    slow = [each for each in seen.requests if each.seconds >= SLOW_SECONDS]
    print(
        f"slow: {served} of {len(seen.sent_between(began, rolled_back))} requests of the "
        f"{rolled_back - began:.1f} s from Updating to RollingBack reached the slow fleet, none "
        f"of {len(seen.requests)} failed"
    )
    assert ended.returncode != 0
    assert f"Endpoint whippet-local was rolled back: it serves {serving}" in ended.stderr
    assert "ModelLatency" in ended.stderr
    assert seen.failed == []
    assert len(slow) >= served > 0
    assert invocations(cloudwatch, deployed_configuration(client)) == served, "none later"
    assert [each for each in seen.requests if each.at > rolled_back]


def test_a_model_that_responds_5xx_fails_requests_of_the_canary_alone(
    stage: Stage, deployment: LocalDeployment, client: Client, serving: str
) -> None:
    with traffic(deployment, client("sagemaker")) as seen:
        new = update(client, lambda image: defective_image(image, stage.state / "assembly", BROKEN))
        check_rolled_back(client, stage, serving, "ServerErrors")
        time.sleep(1)
    _, rolled_back = of_the_new_fleet(seen)
    first = min(each.at for each in seen.failed)
    sent = len(seen.sent_between(first, rolled_back))
    failed = len(seen.failed)
    # Each request is sent to the canary by chance: within four standard deviations.
    share = CANARY_SHARE
    most = share * sent + 4 * math.sqrt(sent * share * (1 - share))
    print(
        f"5xx: {failed} requests failed; the canary's share {share:.2f} x {sent} requests in "
        f"{rolled_back - first:.1f} s = {share * sent:.0f}; 0 of "
        f"{len([each for each in seen.requests if each.at > rolled_back])} after RollingBack"
    )
    assert {each.status for each in seen.failed} == {502}
    assert failed == invocations(client("cloudwatch"), new), "those of the new fleet, and no other"
    assert 0 < failed <= most
    assert max(each.at for each in seen.failed) < rolled_back
    assert [each for each in seen.requests if each.at > rolled_back]


def test_a_good_model_completes_and_the_size_is_kept(
    stage: Stage, deployment: LocalDeployment, client: Client, serving: str
) -> None:
    cloudwatch = client("cloudwatch")
    with traffic(deployment, client("sagemaker")) as seen:
        new = update(client)
        wait_for_invocation(cloudwatch, new)
        before = [invocations(cloudwatch, name) for name in (new, serving)]
        time.sleep(2 * MINUTE_SECONDS)
        after = [invocations(cloudwatch, name) for name in (new, serving)]
        found = settled(client("sagemaker"))
    by_new, by_old = (now - earlier for now, earlier in zip(after, before, strict=True))
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", new)
    assert "FailureReason" not in found
    assert instance_count(found) == len(servers(stage.state)) == INSTANCES
    assert SETTINGS["min_instance_count"] < INSTANCES, "the configuration's own count"
    assert [status for _, status in seen.statuses] == ["InService", "Updating", "InService"]
    seconds = seen.statuses[-1][0] - seen.began("Updating")
    print(
        f"good: {by_new} of {by_new + by_old} requests of two minutes reached the canary, "
        f"InService after {seconds:.1f} s of which {WAITS_SECONDS:.0f} s were waits, none of "
        f"{len(seen.requests)} requests failed"
    )
    assert seen.failed == []
    assert seconds >= WAITS_SECONDS
    assert by_new > 0
    assert by_old > 0
