import base64
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lambda_src.conftest import JPEG
from tests.lambda_src.events import proxy_event
from tests.lambda_src.stand_in import Behaviour, SageMakerRuntime, model_error, service_error

REPOSITORY = Path(__file__).parents[3]
TRACE_ID, SEGMENT_ID = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"

PROGRAM = """
import json, sys
from classifier_proxy.handler import handle
from tests.lambda_src.events import LambdaContext
print(handle(json.load(sys.stdin), LambdaContext())["statusCode"])
"""


@pytest.fixture
def daemon() -> Iterator[socket.socket]:
    """Listens where Lambda has its X-Ray daemon."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        yield listener


def status_in_a_new_process(daemon: str, sampled: int = 1) -> int:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={
            **os.environ,
            "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'lambda_src'}",
            "AWS_XRAY_DAEMON_ADDRESS": daemon,
            "_X_AMZN_TRACE_ID": f"Root={TRACE_ID};Parent={SEGMENT_ID};Sampled={sampled}",
        },
        input=json.dumps(proxy_event(JPEG)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    return int(result.stdout.splitlines()[-1])


def address(daemon: socket.socket) -> str:
    return f"127.0.0.1:{daemon.getsockname()[1]}"


def received_documents(daemon: socket.socket) -> list[dict[str, Any]]:
    documents = []
    try:
        while True:
            header, _, document = daemon.recv(65536).partition(b"\n")
            assert json.loads(header) == {"format": "json", "version": 1}
            documents.append(json.loads(document))
    except BlockingIOError:
        return documents


@pytest.mark.usefixtures("environment", "runtime")
def test_a_call_of_the_endpoint_is_a_part_of_the_requests_trace(daemon: socket.socket) -> None:
    assert status_in_a_new_process(address(daemon)) == 200

    [call] = received_documents(daemon)
    assert (call["trace_id"], call["parent_id"]) == (TRACE_ID, SEGMENT_ID)
    assert (call["type"], call["namespace"]) == ("subsegment", "aws")
    assert len(bytes.fromhex(call["id"])) == 8
    assert call["aws"] == {"operation": "InvokeEndpoint", "endpoint_name": "whippet-test"}
    assert 0 < call["end_time"] - call["start_time"] < 10
    assert not {"error", "fault", "throttle"} & call.keys()
    sent = json.dumps(call)
    assert base64.b64encode(JPEG).decode()[:40] not in sent
    assert "tabby cat" not in sent


@pytest.mark.usefixtures("environment", "runtime")
@pytest.mark.parametrize("address", ["127.0.0.1:99999", "127.0.0.1:1"])
def test_a_trace_that_cannot_be_sent_fails_no_request(address: str) -> None:
    assert status_in_a_new_process(address) == 200


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("behaviour", "marks"),
    [
        (model_error(500, "boom"), {"throttle": False, "error": False, "fault": True}),
        (model_error(422, "no"), {"throttle": False, "error": True, "fault": False}),
        (
            service_error(400, "ThrottlingException"),
            {"throttle": True, "error": True, "fault": False},
        ),
    ],
)
def test_a_call_that_fails_is_marked(
    daemon: socket.socket, runtime: SageMakerRuntime, behaviour: Behaviour, marks: dict[str, bool]
) -> None:
    runtime.script = [behaviour]

    assert status_in_a_new_process(address(daemon)) >= 400

    [call] = received_documents(daemon)
    assert {name: call[name] for name in marks} == marks


@pytest.mark.usefixtures("environment", "runtime")
def test_a_trace_that_is_not_sampled_is_not_sent(daemon: socket.socket) -> None:
    assert status_in_a_new_process(address(daemon), sampled=0) == 200
    assert received_documents(daemon) == []


@pytest.mark.usefixtures("environment", "runtime")
@pytest.mark.parametrize("daemon_address", ["", "127.0.0.1:1", "no-such-host.invalid:2000"])
def test_without_a_daemon_requests_succeed(daemon_address: str) -> None:
    assert status_in_a_new_process(daemon_address) == 200
