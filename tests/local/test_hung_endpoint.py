"""An endpoint that accepts requests and does not respond: its model servers are stopped.

By hand for longer, with the stage's own concurrency: `WHIPPET_STOPPED_SECONDS=60
WHIPPET_HUNG_CONCURRENCY=20 python -m pytest -s tests/local/test_hung_endpoint.py`.
"""

import contextlib
import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from stacks.settings.stage import load_stage_settings
from tests.local.conftest import processes_naming
from tests.local.documented import check_documented
from tests.local.functions import proxy_function
from tests.local.statuses.cloud import Cloud
from tests.local.statuses.proxy_versions import another_version
from tests.local.test_api import GOOD
from tests.local.test_instances import servers
from tools.api_docs.error_rows import HEALTH, PREDICT
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment

STAGE_SETTINGS = load_stage_settings("local", ROOT / "config")
SETTINGS = STAGE_SETTINGS.api
READ_TIMEOUT_SECONDS = STAGE_SETTINGS.endpoint_read_timeout_seconds
# Fewer execution environments than the stage reserves: here each is a process that starts on the
# machine's few cores.
CONCURRENCY = int(os.environ.get("WHIPPET_HUNG_CONCURRENCY", "6"))
REQUESTS_PER_SECOND = 10
STOPPED_SECONDS = float(os.environ.get("WHIPPET_STOPPED_SECONDS", "24"))
# By then each execution environment has seen a timeout.
JUDGED_FROM_SECONDS = 15.0
RECOVERY_SECONDS = 30.0


class Received(NamedTuple):
    """A response; times in seconds after the endpoint was stopped."""

    sent_at: float
    seconds: float
    status: int
    content_type: str
    body: Any

    @property
    def code(self) -> str:
        """The error's code; empty for a success."""
        return str(self.body.get("error", {}).get("code", ""))


def test_a_hung_endpoint_is_refused_at_once_and_health_responds(
    state: Path,
    deployment: LocalDeployment,
    client: Callable[[str], Any],
    stack_resources: Callable[[str, str], list[str]],
) -> None:
    cloud = Cloud(deployment, client, stack_resources, state)
    function = proxy_function(client)
    earlier = function_processes(state, function)
    # Another version: its execution environments, and their circuit breakers, end with the test.
    with (
        reserved_concurrency(client("lambda"), function, CONCURRENCY),
        another_version(cloud, environment={"LOG_LEVEL": "WARNING"}),
        ThreadPoolExecutor(64) as clients,
        ThreadPoolExecutor(4) as health_clients,
    ):
        assert send(deployment, HEALTH, 0.0).status == 200
        # All at once, so that each starts an execution environment.
        first = clients.map(lambda _: send(deployment, PREDICT, 0.0), range(CONCURRENCY))
        assert 200 in {each.status for each in first}
        started = time.monotonic()

        def request(path: str, second: float) -> Received:
            time.sleep(max(0.0, started + second - time.monotonic()))
            return send(deployment, path, started)

        with stopped_servers(state), counted_processes(state, function, earlier) as counts:
            sent = [
                clients.submit(request, PREDICT, number / REQUESTS_PER_SECOND)
                for number in range(int(STOPPED_SECONDS * REQUESTS_PER_SECOND))
            ]
            checked = [
                health_clients.submit(request, HEALTH, float(second))
                for second in range(int(STOPPED_SECONDS))
            ]
            responses = [each.result() for each in sent]
            healths = [each.result() for each in checked]
        ended = time.monotonic()
        while send(deployment, PREDICT, started).status != 200:
            assert time.monotonic() - ended < RECOVERY_SECONDS, "in service again"
            time.sleep(0.5)
        recovered_seconds = time.monotonic() - ended

    judged = [each for each in responses if each.sent_at >= JUDGED_FROM_SECONDS]
    refused = [each for each in judged if each.status == 503 and each.seconds <= 1]
    slowest = max(each.seconds for each in judged)
    report = {
        "refused within 1 s": len(refused) / len(judged),
        "slowest": slowest,
        "slowest health check": max(each.seconds for each in healths),
        "function processes": max(counts),
        "in service again after": recovered_seconds,
        "outcomes": outcomes(responses),
    }
    print(json.dumps(report, indent=2))
    assert len(refused) >= 0.85 * len(judged), report
    assert slowest <= READ_TIMEOUT_SECONDS + 1, report
    assert {each.status for each in healths} == {200}, report
    # One may be late: the machine has other work.
    assert sorted(each.seconds for each in healths)[-2] <= 1, report
    assert max(counts) == CONCURRENCY, report
    for each in responses:
        check_documented(PREDICT, each.status, each.content_type, each.body)
    codes = {each.code for each in responses}
    assert {"endpoint_timeout", "endpoint_not_responding"} <= codes, report


@contextmanager
def reserved_concurrency(functions: Any, name: str, count: int) -> Iterator[None]:
    """Reserve another concurrency for a function than the stage does."""
    before = functions.get_function_concurrency(FunctionName=name)
    assert before["ReservedConcurrentExecutions"] == SETTINGS.reserved_concurrency
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=count)
    try:
        yield
    finally:
        functions.put_function_concurrency(
            FunctionName=name,
            ReservedConcurrentExecutions=before["ReservedConcurrentExecutions"],
        )


def send(deployment: LocalDeployment, path: str, started: float) -> Received:
    """Send an image or a health check."""
    address = urlsplit(deployment.api_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=35)
    method, body = ("POST", GOOD) if path == PREDICT else ("GET", None)
    headers = {"x-api-key": deployment.api_key, "Content-Type": "image/png"}
    sent_at = time.monotonic()
    with contextlib.closing(connection):
        connection.request(method, f"{address.path}{path}", body, headers)
        response = connection.getresponse()
        content = response.read()
    seconds = time.monotonic() - sent_at
    content_type = response.getheader("content-type", "")
    return Received(sent_at - started, seconds, response.status, content_type, json.loads(content))


def outcomes(responses: list[Received]) -> dict[str, int]:
    """Count the responses by status and code."""
    names = [f"{each.status} {each.code}" for each in responses]
    return {name: names.count(name) for name in sorted(set(names))}


@contextmanager
def stopped_servers(state: Path) -> Iterator[None]:
    """Stop the model servers, also those that the local cloud starts in their place."""
    ending = threading.Event()

    def stop() -> None:
        while not ending.wait(0.5):
            send_signal(signal.SIGSTOP)

    def send_signal(number: signal.Signals) -> None:
        for pid in servers(state):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    send_signal(signal.SIGSTOP)
    stopping = threading.Thread(target=stop)
    stopping.start()
    try:
        yield
    finally:
        ending.set()
        stopping.join()
        send_signal(signal.SIGCONT)


@contextmanager
def counted_processes(state: Path, function: str, earlier: set[int]) -> Iterator[list[int]]:
    """Yield a list that gets each second how many processes of a function are no earlier ones."""
    counts: list[int] = []
    ending = threading.Event()

    def count() -> None:
        while not ending.wait(1.0):
            counts.append(len(function_processes(state, function) - earlier))

    counting = threading.Thread(target=count)
    counting.start()
    try:
        yield counts
    finally:
        ending.set()
        counting.join()


def function_processes(state: Path, function: str) -> set[int]:
    """Return the ids of a function's processes: the local cloud's execution environments."""
    lines = processes_naming(str(state)).items()
    return {pid for pid, line in lines if f"ministack-lambda-{function}-" in line}
