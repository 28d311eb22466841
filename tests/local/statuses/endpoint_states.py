"""Situations of the endpoint: deleted, paused, access denied, overloaded."""

import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from stacks.settings.stage import load_stage_settings
from tests.contract.serving.server import decode_processes_of, stopped
from tests.local.conftest import processes_naming
from tests.local.functions import proxy_function
from tests.local.statuses.cloud import Cloud
from tests.local.statuses.proxy_versions import another_version
from tests.local.test_api import GOOD
from tests.local.test_iam import without_policies
from tests.local.waiting import wait_for_endpoint, wait_until_gone
from tools.cdk import ROOT
from tools.deployment.pause import pause, resume

# It occupies a place until it is decoded.
_REQUEST = (
    b"POST /invocations HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: image/png\r\nContent-Length: %d\r\n\r\n%b"
) % (len(GOOD), GOOD)
_MAX_FILLING_SECONDS = 8.0


@contextmanager
def gone(cloud: Cloud) -> Iterator[None]:
    """Delete the endpoint, and create it again."""
    sagemaker, name = cloud.client("sagemaker"), cloud.deployment.endpoint_name
    configuration = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    sagemaker.delete_endpoint(EndpointName=name)
    wait_until_gone(sagemaker, name)
    try:
        yield
    finally:
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=configuration)
        wait_for_endpoint(sagemaker, name, until="InService")


@contextmanager
def paused(cloud: Cloud) -> Iterator[None]:
    """Pause the stage, and resume it.

    With another version of the function, whose memory no other situation finds.
    """
    settings = load_stage_settings("local", ROOT / "config")
    with another_version(cloud, environment={"LOG_LEVEL": "WARNING"}):
        pause(settings, cloud.client)
        try:
            yield
        finally:
            resume(settings, cloud.client)


@contextmanager
def forbidden(cloud: Cloud) -> Iterator[None]:
    """Remove the function's permissions."""
    function = cloud.client("lambda").get_function_configuration(
        FunctionName=proxy_function(cloud.client)
    )
    with without_policies(cloud.client("iam"), function["Role"].rpartition("/")[2]):
        yield


@contextmanager
def full(cloud: Cloud) -> Iterator[None]:
    """Stop the decode processes and occupy every place, until the server rejects a request."""
    ((process, server),) = (
        (process, line)
        for process, line in processes_naming(str(cloud.state)).items()
        if "serve.py serve" in line
    )
    port = re.search(r"--port (\d+)", server)
    assert port
    deadline = time.monotonic() + _MAX_FILLING_SECONDS
    with ExitStack() as stack:
        stack.enter_context(stopped(decode_processes_of(process)))
        connections: list[socket.socket] = []
        # The server responds only to requests that it rejects.
        while not select.select(connections, [], [], 0.02)[0]:
            assert time.monotonic() < deadline, f"{len(connections)} requests had a place"
            connection = socket.create_connection(("127.0.0.1", int(port[1])))
            connections.append(stack.enter_context(connection))
            connection.sendall(_REQUEST)
        yield
