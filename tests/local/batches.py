"""Folders of images for batch jobs, and what `make batch` leaves of them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.local.conftest import INHERITED, run_tool
from tests.local.png import png
from tools.cdk import ROOT
from tools.local.api_client import ApiResponse, predict
from tools.local.deployment import LocalDeployment

Client = Callable[[str], Any]
_NAME = re.compile(
    r"^Run ([a-z0-9-]+) of the stage local, job 1 with [\d,]+ images?;", re.MULTILINE
)
_CODES = ("unreadable_image", "unsupported_image")


def make_images(folder: Path, count: int) -> dict[str, str]:
    """Write images, of which one in a hundred is broken; return the errors to expect, by key.

    Names have spaces and other letters than English ones, and are the same in several folders.
    """
    errors = {}
    for number in range(count):
        key = f"Straße {number % 7}/søm billede {number // 7}.png"
        content = png(number % 200, seed=str(number))
        if number % 100 == 57:
            code = _CODES[number // 100 % 2]
            errors[key] = code
            content = content[:100] if code == "unreadable_image" else content.hex().encode()
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return errors


def batch(state: Path, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the tool of `make batch` with the deployment of a cloud."""
    file = ("--deployment", str(state / "local.json"))
    return run_tool("tools.batch.run", *file, *options, check=check)


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def check_results(source: Path, results: Path, errors: dict[str, str]) -> None:
    """Check that every image has a line, and those that are broken their errors."""
    lines = lines_of(results / "predictions.jsonl")
    files = sorted(
        file.relative_to(source).as_posix() for file in source.rglob("*.png") if file.is_file()
    )
    assert [each["key"] for each in lines] == files
    failed = [each for each in lines if "error" in each]
    assert {each["key"]: each["error"]["code"] for each in failed} == errors
    assert lines_of(results / "failures.jsonl") == failed
    (summary,) = lines_of(results / "summary.json")
    counted = summary["images"], summary["classified"], sum(summary["failed"].values())
    assert counted == (len(files), len(files) - len(errors), len(errors))


def check_online(deployment: LocalDeployment, source: Path, results: Path, keys: list[str]) -> None:
    """Check that the API responds with the same to some of the images."""
    lines = {each["key"]: each for each in lines_of(results / "predictions.jsonl")}
    for key in keys:
        online = predict(deployment.api_url, deployment.api_key, source / key)
        same(online, lines[key])


def same(online: ApiResponse, line: dict[str, Any]) -> None:
    if "error" in line:
        assert online.content["error"]["code"] == line["error"]["code"]
        return
    assert online.content["model"] == line["model"]
    expected = {each["label"]: each["probability"] for each in online.content["predictions"]}
    found = {each["label"]: each["probability"] for each in line["predictions"]}
    assert found.keys() == expected.keys()
    for label, probability in expected.items():
        # One image alone is computed by all cores together: another order of additions.
        assert abs(found[label] - probability) < 1e-5


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def results_of(client: Client, run: str) -> int:
    """Return how many images of a run have a result."""
    pages = client("s3").get_paginator("list_objects_v2")
    bucket = outputs_of(client)["BatchBucketName"]
    found = pages.paginate(Bucket=bucket, Prefix=f"batch/outputs/{run}/")
    return sum(page["KeyCount"] for page in found)


def outputs_of(client: Client) -> dict[str, str]:
    (stack,) = client("cloudformation").describe_stacks(StackName="whippet-local-batch")["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def killed_run(state: Path, client: Client, source: Path, results: Path) -> tuple[str, str]:
    """Start a run, and kill both the tool and its job in the middle.

    Returns:
        The name of the run, and what the tool had printed.
    """
    command = [
        sys.executable, "-u", "-m", "tools.batch.run", "--deployment", str(state / "local.json"),
        "--source", str(source), "--destination", str(results),
    ]  # fmt: skip
    log = results.with_suffix(".log")
    with log.open("wb") as written:
        killed = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | INHERITED, stdout=written, start_new_session=True
        )
        wait_until(lambda: _NAME.search(log.read_text()) is not None, "no job was started")
        found = _NAME.search(log.read_text())
        assert found
        run = found[1]
        wait_until(lambda: results_of(client, run) > 0, "no result")
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    client("sagemaker").stop_transform_job(TransformJobName=f"whippet-local-{run}-1-0")
    machine = outputs_of(client)["BatchStateMachineArn"]
    execution = f"{machine.replace(':stateMachine:', ':execution:')}:{run}-1"
    states = client("stepfunctions")
    wait_until(
        lambda: states.describe_execution(executionArn=execution)["status"] == "FAILED",
        "the execution did not notice the end of its job",
    )
    assert not results.exists()
    return run, log.read_text()
