"""`make logs` follows a request of the deployment."""

import time
from pathlib import Path

from tests.local.api_requests import Request, send
from tests.local.conftest import run_tool
from tests.local.test_api import GOOD
from tools.local.deployment import LocalDeployment

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def lines_of(state: Path, *arguments: str, check: bool = True) -> list[list[str]]:
    """Return clock, log and content of each line."""
    options = ("--stage", "local", "--state-directory", str(state))
    ended = run_tool("tools.logs.show", *options, *arguments, check=check)
    assert check or ended.returncode == 1
    return [line.split("  ", 2) for line in (ended.stdout or ended.stderr).splitlines()]


def test_a_request_is_followed_from_the_api_to_the_container(
    deployment: LocalDeployment, state: Path
) -> None:
    request_id = send(deployment, Request(GOOD)).body["request_id"]
    send(deployment, Request(GOOD))
    lines = lines_of(state, "--request", request_id)
    assert lines == sorted(lines, key=lambda line: line[0])
    content = {log.split()[0]: text for _, log, text in lines if request_id in text}
    assert content.keys() == {"AccessLogs", "ProxyLogs", "container"}
    assert "status=200" in content["AccessLogs"]
    assert content["ProxyLogs"].startswith("request succeeded INFO")
    assert content["container"].startswith("invocation INFO outcome=ok")
    # Lambda's own lines name the invocation.
    assert any(text.startswith("REPORT RequestId: ") for _, _, text in lines)
    assert sum(text.startswith("START RequestId: ") for _, _, text in lines) == 1


def test_a_request_that_the_api_refuses_is_in_its_log_alone(
    deployment: LocalDeployment, state: Path
) -> None:
    response = send(deployment, Request(GOOD, key="wrong"))
    (line,) = lines_of(state, "--request", response.body["request_id"])
    assert line[1] == "AccessLogs"
    assert "method=POST" in line[2]
    assert "status=403" in line[2]


def test_without_a_request_the_last_lines_of_all_logs(
    deployment: LocalDeployment, state: Path
) -> None:
    request_id = send(deployment, Request(b"no image")).body["request_id"]
    deadline = time.monotonic() + 10
    # The function's line arrives after the response, as on AWS; on a busy machine MiniStack reads
    # it at the function's next invocation.
    while len(found := [line for line in lines_of(state) if request_id in line[-1]]) < 2:
        assert time.monotonic() < deadline, found
        send(deployment, Request(b"no image"))
    assert {log.split()[0] for _, log, _ in found} == {"AccessLogs", "ProxyLogs"}


def test_an_unknown_request(deployment: LocalDeployment, state: Path) -> None:
    assert deployment.api_key
    ((message,),) = lines_of(state, "--request", UNKNOWN, check=False)
    assert f"No log has a line of the request {UNKNOWN}" in message
