"""Instances of an endpoint are processes, and the endpoint outlives each of them."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.local.asking import ask
from tests.local.conftest import processes_naming
from tests.local.test_api import GOOD
from tests.local.waiting import wait_for_endpoint
from tools.local_deployment import LocalDeployment

# What the documentation promises while an instance is replaced: README, "Errors".
WHILE_REPLACED = {200, 502, 503}


def servers(state: Path) -> list[int]:
    """Return the process ids of the model servers of this cloud."""
    return [pid for pid, line in processes_naming(str(state)).items() if "serve.py serve" in line]


def test_a_killed_instance_is_replaced(state: Path, deployment: LocalDeployment) -> None:
    assert ask(deployment, GOOD)[0] == 200
    (killed,) = servers(state)
    os.kill(killed, signal.SIGKILL)
    killed_at = time.monotonic()
    seen = set()
    back_after = None
    while time.monotonic() - killed_at < 10:
        status, _ = ask(deployment, GOOD)
        seen.add(status)
        if status == 200 and back_after is None and servers(state) not in ([], [killed]):
            back_after = time.monotonic() - killed_at
            break
        time.sleep(0.2)
    assert seen <= WHILE_REPLACED
    assert back_after is not None, f"not in service again after 10 s, only {seen}"
    assert [ask(deployment, GOOD)[0] for _ in range(100)] == [200] * 100


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
        assert ask(deployment, GOOD)[0] == 200
