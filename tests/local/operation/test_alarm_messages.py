"""The stage's alarms are raised by their causes and cleared after them, and SNS tells it.

What cannot be caused on this machine in seconds is put as the documented metric; the virtual tests
of tests/stacks/alarms have every alarm.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import pytest

from stacks.components.monitoring.catalogue.definition import name_in
from stacks.components.monitoring.catalogue.stage_alarms import USERS_AFFECTED, stage_alarms
from stacks.settings.stage import load_stage_settings
from tests.local.api_requests import Request, send
from tests.local.functions import health_function, proxy_function
from tests.local.operation.conftest import MINUTE_SECONDS, Stage
from tests.local.queues import Queue, subscribed_queue
from tests.local.test_api import GOOD
from tests.local.test_iam import without_policies
from tests.local.test_instances import servers
from tools.aws import stack_outputs, stack_resources
from tools.local.deployment import LocalDeployment

Client = Callable[[str], Any]
NAME = "whippet-local"
ENDPOINT = {"EndpointName": NAME, "VariantName": "primary"}
API = {"ApiName": NAME, "Stage": "v1"}
INSTANCES = "/aws/sagemaker/Endpoints"


class Sample(NamedTuple):
    """A sample of a documented metric; None is the dimension of a function."""

    namespace: str
    name: str
    dimensions: dict[str, str] | None
    unit: str
    value: float


PUT = {
    "ApiLatency": (
        Sample("AWS/ApiGateway", "Latency", API, "Milliseconds", 9000),
        Sample("AWS/ApiGateway", "Count", API, "Count", 1),
    ),
    "EndpointCpu": (Sample(INSTANCES, "CPUUtilization", ENDPOINT, "Percent", 30_000),),
    "EndpointDisk": (Sample(INSTANCES, "DiskUtilization", ENDPOINT, "Percent", 99),),
    "EndpointMemory": (Sample(INSTANCES, "MemoryUtilization", ENDPOINT, "Percent", 99),),
    "FleetAtMaximum": (
        Sample("AWS/SageMaker", "Invocations", ENDPOINT, "None", 300),
        Sample("AWS/SageMaker", "InvocationsPerInstance", ENDPOINT, "None", 100),
    ),
    "ModelLatency": (Sample("AWS/SageMaker", "ModelLatency", ENDPOINT, "Microseconds", 9e6),),
    "OverheadLatency": (Sample("AWS/SageMaker", "OverheadLatency", ENDPOINT, "Microseconds", 9e6),),
    "ProxyDuration": (Sample("AWS/Lambda", "Duration", None, "Milliseconds", 9000),),
    "ProxyErrors": (Sample("AWS/Lambda", "Errors", None, "Count", 1),),
}
SENT = Sample("Whippet", "EndpointLatency", {"service": NAME}, "Milliseconds", 50)
HEALTH_FAILED = Sample("AWS/Lambda", "Errors", None, "Count", 1)


class Alarms:
    """The stage's alarms by their name in the catalogue, and what the topics sent."""

    def __init__(self, client: Client, queue: Queue) -> None:
        self._queue = queue
        self._cloudwatch = client("cloudwatch")
        self._sent: list[tuple[str, str, str]] = []

    def states(self) -> dict[str, str]:
        described = self._cloudwatch.describe_alarms(
            AlarmNamePrefix=f"{NAME}-monitoring", AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        alarms = [*described["MetricAlarms"], *described["CompositeAlarms"]]
        return {name_in(alarm["AlarmDescription"]): alarm["StateValue"] for alarm in alarms}

    def wait(self, *names: str, state: str) -> None:
        """Wait until alarms are in a state at the same time."""
        deadline = time.monotonic() + 60
        while {(found := self.states())[name] for name in names} != {state}:
            assert time.monotonic() < deadline, {name: found[name] for name in names}
            time.sleep(MINUTE_SECONDS / 6)

    def wait_for_messages(self, *expected: tuple[str, str, str]) -> None:
        """Wait for messages: topic, alarm, state."""
        deadline = time.monotonic() + 20
        while not set(expected) <= set(self._sent):
            assert time.monotonic() < deadline, set(expected) - set(self._sent)
            self._sent.extend(_read(body) for body in self._queue.receive())


def _read(body: dict[str, Any]) -> tuple[str, str, str]:
    alarm = json.loads(body["Message"])
    topic = "urgent" if "AlarmTopic" in body["TopicArn"] else "warning"
    return topic, name_in(alarm["AlarmDescription"]), alarm["NewStateValue"]


@pytest.fixture(scope="module")
def alarms(client: Client, deployment: LocalDeployment) -> Iterator[Alarms]:
    """The alarms, with a queue that is subscribed to both topics."""
    assert deployment.endpoint_name == NAME
    (stack,) = client("cloudformation").describe_stacks(StackName=f"{NAME}-monitoring")["Stacks"]
    outputs = stack_outputs(stack)
    topics = (outputs["AlarmTopicArn"], outputs["WarningTopicArn"])
    with subscribed_queue(client, "alarm-messages", *topics) as queue:
        yield Alarms(client, queue)


@contextmanager
def requests(deployment: LocalDeployment, *bodies: bytes, per_second: float) -> Iterator[None]:
    """Send requests through the API until the block ends."""
    ending = threading.Event()

    def run() -> None:
        number = 0
        while not ending.wait(1 / per_second):
            send(deployment, Request(bodies[number % len(bodies)]))
            number += 1

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ending.set()
        for thread in threads:
            thread.join()


@contextmanager
def samples(client: Client, function: str, put: Sequence[Sample]) -> Iterator[None]:
    """Put samples, several times a minute, until the block ends."""
    ending = threading.Event()
    cloudwatch = client("cloudwatch")

    def run() -> None:
        while not ending.wait(MINUTE_SECONDS / 4):
            for each in put:
                pairs = (each.dimensions or {"FunctionName": function}).items()
                datum = {
                    "MetricName": each.name, "Unit": each.unit, "Value": each.value,
                    "Dimensions": [{"Name": key, "Value": text} for key, text in pairs],
                }  # fmt: skip
                cloudwatch.put_metric_data(Namespace=each.namespace, MetricData=[datum])

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def test_the_stage_has_the_alarms_of_the_catalogue(alarms: Alarms, stage: Stage) -> None:
    settings = load_stage_settings("local", stage.clone / "config")
    expected = {alarm.name for alarm in stage_alarms(settings)}
    assert set(alarms.states()) == expected | {USERS_AFFECTED}


def test_alarms_on_what_is_measured(client: Client, alarms: Alarms) -> None:
    names = sorted(PUT)
    put = [sample for each in PUT.values() for sample in each]
    with samples(client, proxy_function(client), put):
        alarms.wait(*names, USERS_AFFECTED, state="ALARM")
    alarms.wait(*names, USERS_AFFECTED, state="OK")
    for state in ("ALARM", "OK"):
        alarms.wait_for_messages(
            ("urgent", USERS_AFFECTED, state), *(("warning", name, state) for name in names)
        )


def test_requests_that_are_refused_and_an_endpoint_that_counts_none(
    alarms: Alarms, deployment: LocalDeployment, client: Client
) -> None:
    """The proxy refuses what is no image, so nothing reaches the endpoint meanwhile."""
    names = ("ApiRefusals", "EndpointNotReached", "HealthErrors", USERS_AFFECTED)
    with requests(deployment, b"no image", per_second=40):
        alarms.wait("ApiRefusals", state="ALARM")
        assert alarms.states()[USERS_AFFECTED] == "OK", "it is the callers' fault"
        with (
            samples(client, health_function(client), [HEALTH_FAILED]),
            samples(client, proxy_function(client), [SENT]),
        ):
            alarms.wait(*names, state="ALARM")
    alarms.wait(*names, state="OK")
    for name in names[:-1]:
        alarms.wait_for_messages(("warning", name, "ALARM"), ("warning", name, "OK"))


def test_a_missing_permission(alarms: Alarms, deployment: LocalDeployment, client: Client) -> None:
    names = ("EndpointAccessDenials", "ApiErrors", USERS_AFFECTED)
    function = client("lambda").get_function_configuration(FunctionName=proxy_function(client))
    role = function["Role"].rpartition("/")[2]
    with requests(deployment, GOOD, per_second=5):
        with without_policies(client("iam"), role):
            alarms.wait(*names, state="ALARM")
        alarms.wait(*names, state="OK")
    alarms.wait_for_messages(("urgent", USERS_AFFECTED, "ALARM"), ("warning", "ApiErrors", "ALARM"))


def test_no_concurrency_left(alarms: Alarms, deployment: LocalDeployment, client: Client) -> None:
    names = ("ProxyThrottles", "ApiErrors", USERS_AFFECTED)
    functions, function = client("lambda"), proxy_function(client)
    reserved = functions.get_function_concurrency(FunctionName=function)
    with requests(deployment, GOOD, per_second=5), ExitStack() as restoring:
        functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
        restoring.callback(
            functions.put_function_concurrency, FunctionName=function,
            ReservedConcurrentExecutions=reserved["ReservedConcurrentExecutions"],
        )  # fmt: skip
        alarms.wait(*names, state="ALARM")
        restoring.close()
        alarms.wait(*names, state="OK")
    alarms.wait_for_messages(("warning", "ProxyThrottles", "ALARM"))


def test_instances_that_end(alarms: Alarms, deployment: LocalDeployment, stage: Stage) -> None:
    names = ("ApiErrors", "EndpointErrors", USERS_AFFECTED)
    with requests(deployment, GOOD, per_second=5):
        for process_id in servers(stage.state):
            os.kill(process_id, signal.SIGKILL)
        alarms.wait(*names, state="ALARM")
        alarms.wait(*names, state="OK")
    alarms.wait_for_messages(("warning", "EndpointErrors", "ALARM"))


def test_a_training_that_fails(alarms: Alarms, client: Client) -> None:
    resources = stack_resources(client("cloudformation"), f"{NAME}-training")
    (machine,) = (id_ for kind, id_ in resources if kind == "AWS::StepFunctions::StateMachine")
    client("stepfunctions").start_execution(stateMachineArn=machine, input="{}")
    alarms.wait("FailedExecutions", state="ALARM")
    alarms.wait("FailedExecutions", state="OK")
    alarms.wait_for_messages(("warning", "FailedExecutions", "ALARM"))
