import base64
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lambda_src.conftest import JPEG
from tests.lambda_src.events import proxy_event
from tests.lambda_src.stand_in import SageMakerRuntime

REPOSITORY = Path(__file__).parents[2]
# Where the X-Ray SDK puts its mark in a Lambda function; it knows no other place.
SDK_MARK = Path("/tmp/.aws-xray")  # noqa: S108 - the SDK's choice

PROGRAM = """
import json, sys
from classifier_proxy.handler import handle
from tests.lambda_src.events import LambdaContext
answer = handle(json.load(sys.stdin), LambdaContext())
print(answer["statusCode"], "aws_xray_sdk" in sys.modules)
"""


@pytest.fixture
def daemon() -> Iterator[socket.socket]:
    """Listens where Lambda has its X-Ray daemon."""
    had_mark = SDK_MARK.exists()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        yield listener
    if not had_mark:
        shutil.rmtree(SDK_MARK, ignore_errors=True)


def handle_in_a_new_process(extra_environment: dict[str, str]) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={
            **os.environ,
            "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'lambda_src'}",
            "LAMBDA_TASK_ROOT": "/var/task",
            **extra_environment,
        },
        input=json.dumps(proxy_event(JPEG)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    return result.stdout.splitlines()[-1].split()


def received_documents(daemon: socket.socket) -> list[dict[str, Any]]:
    documents = []
    try:
        while True:
            header, _, document = daemon.recv(65536).partition(b"\n")
            assert json.loads(header) == {"format": "json", "version": 1}
            documents.append(json.loads(document))
    except BlockingIOError:
        return documents


@pytest.mark.usefixtures("environment")
def test_a_request_and_its_call_of_the_endpoint_are_traced(
    daemon: socket.socket, runtime: SageMakerRuntime
) -> None:
    trace_id, segment_id = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
    outcome = handle_in_a_new_process(
        {
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
            "_X_AMZN_TRACE_ID": f"Root={trace_id};Parent={segment_id};Sampled=1",
        }
    )

    assert outcome == ["200", "True"]
    documents = received_documents(daemon)
    by_name = {document["name"]: document for document in documents}
    request = by_name["## handle_event"]
    assert (request["trace_id"], request["parent_id"]) == (trace_id, segment_id)
    call = next(document for document in documents if document.get("namespace") == "aws")
    assert call["parent_id"] == request["id"]
    assert call["aws"]["operation"] == "InvokeEndpoint"
    assert call["http"]["response"]["status"] == 200
    sent = json.dumps(documents)
    assert base64.b64encode(JPEG).decode()[:40] not in sent
    assert "tabby cat" not in sent
    assert len(runtime.requests) == 1


@pytest.mark.usefixtures("environment")
def test_where_there_is_no_daemon_the_sdk_is_not_loaded(runtime: SageMakerRuntime) -> None:
    had_mark = SDK_MARK.exists()

    assert handle_in_a_new_process({}) == ["200", "False"]
    assert SDK_MARK.exists() == had_mark
    assert len(runtime.requests) == 1
