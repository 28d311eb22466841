"""Instances of an endpoint are processes; a killed one is replaced."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from stacks.settings.serving import ServingSettings
from tests.local.api_requests import classify
from tests.local.conftest import processes_naming
from tests.local.test_api import GOOD
from tests.local.waiting import wait_for_endpoint
from tools.deployment.instance_count import settle_instance_count
from tools.local.deployment import LocalDeployment

# docs/errors.md: a broken connection and no healthy instance.
WHILE_REPLACED = {200, 502, 503}
REQUESTS_PER_SECOND = 5
SECONDS = 10


def servers(state: Path) -> list[int]:
    """Return the process ids of the model servers of this cloud."""
    return [pid for pid, line in processes_naming(str(state)).items() if "serve.py serve" in line]


def test_a_killed_instance_is_replaced(state: Path, deployment: LocalDeployment) -> None:
    assert classify(deployment, GOOD)[0] == 200
    (killed,) = servers(state)

    def status_at(second: float) -> int:
        time.sleep(max(0.0, started + second - time.monotonic()))
        if second == 1.0:
            os.kill(killed, signal.SIGKILL)
        return classify(deployment, GOOD)[0]

    times = [number / REQUESTS_PER_SECOND for number in range(REQUESTS_PER_SECOND * SECONDS)]
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=8) as pool:
        statuses = list(pool.map(status_at, times))
    assert set(statuses) <= WHILE_REPLACED
    assert set(statuses) != {200}, "the killed instance was not noticed"
    assert statuses[-1] == 200, "in service again within 10 s"
    assert servers(state) not in ([], [killed])
    assert [classify(deployment, GOOD)[0] for _ in range(100)] == [200] * 100


def test_waiting_invocations_delay_no_other_request(
    state: Path, deployment: LocalDeployment
) -> None:
    # More than the emulator's pool has threads.
    waiting = 80
    (hung,) = servers(state)
    runtime, sagemaker = (
        boto3.session.Session(
            aws_access_key_id=deployment.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=deployment.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=deployment.environment["AWS_REGION"],
        ).client(
            service,
            endpoint_url=deployment.environment["AWS_ENDPOINT_URL"],
            verify=deployment.environment["AWS_CA_BUNDLE"],
            config=Config(
                proxies={}, max_pool_connections=waiting, retries={"total_max_attempts": 1}
            ),
        )
        for service in ("sagemaker-runtime", "sagemaker")
    )

    def invoke(_number: int) -> int:
        try:
            runtime.invoke_endpoint(
                EndpointName=deployment.endpoint_name, ContentType="image/png", Body=GOOD
            )
        except ClientError as error:
            # The queue of the model server is full.
            return int(str(error.response.get("OriginalStatusCode")))
        return 200

    os.kill(hung, signal.SIGSTOP)
    with ThreadPoolExecutor(max_workers=waiting) as pool:
        invocations = [pool.submit(invoke, number) for number in range(waiting)]
        try:
            time.sleep(1.5)
            found = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
            done = sum(invocation.done() for invocation in invocations)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(hung, signal.SIGCONT)
    statuses = {invocation.result() for invocation in invocations}
    assert found["EndpointStatus"] == "InService"
    assert done == 0, "the invocations waited meanwhile"
    assert statuses <= {200, 503}
    assert servers(state) == [hung]


def test_the_fleet_follows_the_desired_count(
    state: Path, deployment: LocalDeployment, client: Callable[[str], Any]
) -> None:
    sagemaker = client("sagemaker")
    for count in (2, 1):
        sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=deployment.endpoint_name,
            DesiredWeightsAndCapacities=[{"VariantName": "primary", "DesiredInstanceCount": count}],
        )
        found = wait_for_endpoint(sagemaker, deployment.endpoint_name, until="InService")
        assert found["ProductionVariants"][0]["CurrentInstanceCount"] == count
        assert len(servers(state)) == count
        assert classify(deployment, GOOD)[0] == 200


def test_a_fixed_fleet_that_kept_another_count_is_changed(
    state: Path, deployment: LocalDeployment, client: Callable[[str], Any]
) -> None:
    assert len(servers(state)) == 1
    for count in (2, 1):
        serving = ServingSettings(min_instance_count=count, max_instance_count=count)
        settle_instance_count(
            client("sagemaker"), endpoint=deployment.endpoint_name, serving=serving
        )
        assert len(servers(state)) == count
        assert classify(deployment, GOOD)[0] == 200
