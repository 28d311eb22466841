"""`make load` on the deployment that the tests share."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import INHERITED, run_tool
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment
from tools.scaling.traces import read_trace


def arguments(state: Path, output: Path, *others: str) -> list[str]:
    return [
        "tools.load.run", "--stage", "local", "--deployment", str(state / "local.json"),
        "--output", str(output), *others,
    ]  # fmt: skip


@pytest.mark.parametrize("target", ["api", "endpoint"])
def test_each_request_gets_its_response(
    target: str, state: Path, deployment: LocalDeployment, tmp_path: Path
) -> None:
    assert deployment.minute_seconds == 60
    output = tmp_path / "load"
    ended = run_tool(
        *arguments(state, output, "--target", target, "--rate", "10", "--minutes", "0.05")
    )
    assert ended.stderr == ""
    assert "Sends 30 requests in 3 s, 10 a second, to the " in ended.stdout
    assert "Sent: 30 of 30 requests." in ended.stdout
    assert re.search(r"\n +200 +30  100\.0 %\n", ended.stdout), ended.stdout
    assert re.search(r"\n( +\d+ ms){5}\n", ended.stdout)
    assert re.search(r"Instances in service: \d+ at 0 s", ended.stdout)
    assert read_trace(output.with_suffix(".csv")) == [30.0]
    assert "latency p50" in output.with_suffix(".svg").read_text()


@pytest.mark.usefixtures("deployment")
def test_the_scaling_of_the_stages_own_traffic_is_simulated(
    state: Path, client: Callable[[str], Any], tmp_path: Path
) -> None:
    names = {"EndpointName": "whippet-local", "VariantName": "primary"}
    datum = {
        "MetricName": "Invocations", "Timestamp": datetime.now(UTC) - timedelta(days=9),
        "Dimensions": [{"Name": name, "Value": value} for name, value in names.items()],
        "Value": 123456.0,
    }  # fmt: skip
    client("cloudwatch").put_metric_data(Namespace="AWS/SageMaker", MetricData=[datum])
    ended = run_tool(
        "tools.scaling.simulate", "--stage", "local", "--trace", "stage", "--capacity", "20",
        "--deployment", str(state / "local.json"), "--output", str(tmp_path / "scaling.svg"),
    )  # fmt: skip
    assert re.search(r"^336\.0 hours, ", ended.stdout), ended.stdout
    assert f"at most {123456 / 60:.1f} a second" in ended.stdout


@pytest.mark.usefixtures("deployment")
def test_ctrl_c_ends_it_with_a_report(state: Path, tmp_path: Path) -> None:
    output = tmp_path / "load"
    with subprocess.Popen(
        [sys.executable, "-m", *arguments(state, output, "--rate", "5", "--minutes", "10")],
        cwd=ROOT, env=os.environ | INHERITED | {"PYTHONUNBUFFERED": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        for line in running.stdout:
            if "to send at 5 a second" in line:
                break
        # As a terminal does, to each process of the group.
        os.killpg(running.pid, signal.SIGINT)
        printed, errors = running.communicate(timeout=30)
    assert running.returncode == 130, errors
    assert errors == ""
    assert "Stopping: " in printed
    assert re.search(r"\nSent: \d\d of 3,000 requests\.", printed)
    assert read_trace(output.with_suffix(".csv"))[0] < 100


def test_a_wrong_key_sends_nothing_more(
    state: Path, deployment: LocalDeployment, tmp_path: Path
) -> None:
    changed = tmp_path / "local.json"
    text = (state / "local.json").read_text()
    changed.write_text(text.replace(deployment.api_key, "wrong"))
    ended = run_tool(*arguments(tmp_path, tmp_path / "load", "--minutes", "0.05"), check=False)
    assert ended.returncode == 1
    assert ended.stderr == (
        "Nothing was sent: the response to a first request is 403: invalid_api_key: The API key is "
        "missing or not valid. Send it in the header x-api-key.\n"
    )
