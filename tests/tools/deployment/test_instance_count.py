"""The running instances of a deployed endpoint, and the settings; SageMaker is botocore's stub."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from stacks.settings.capacity_schedule import CapacitySchedule
from stacks.settings.serving import ServingSettings
from tests.tools.stubbed_session import stubbed_client
from tools.console import ToolError
from tools.counted import counted
from tools.deployment.instance_count import settle_instance_count

ENDPOINT = "whippet-dev"


class Endpoint:
    """A stubbed endpoint: each method prepares the next call and its response."""

    def __init__(self) -> None:
        self.client = stubbed_client("sagemaker")
        self.stub = Stubber(self.client)

    def is_described(self, running: int, status: str = "InService", **more: str) -> None:
        variant = {"VariantName": "primary", "CurrentInstanceCount": running}
        described: dict[str, Any] = {
            "EndpointName": ENDPOINT,
            "EndpointArn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/whippet-dev",
            "EndpointStatus": status,
            "ProductionVariants": [variant],
            "CreationTime": 0,
            "LastModifiedTime": 0,
            **more,
        }
        self.stub.add_response("describe_endpoint", described, {"EndpointName": ENDPOINT})

    def is_resized(self, count: int) -> None:
        response = {"EndpointArn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/whippet-dev"}
        change = {"VariantName": "primary", "DesiredInstanceCount": count}
        self.stub.add_response(
            "update_endpoint_weights_and_capacities",
            response,
            {"EndpointName": ENDPOINT, "DesiredWeightsAndCapacities": [change]},
        )

    def settle(self, minimum: int, maximum: int, *entries: CapacitySchedule) -> None:
        serving = ServingSettings(
            min_instance_count=minimum, max_instance_count=maximum, capacity_schedule=entries
        )
        settle_instance_count(self.client, endpoint=ENDPOINT, serving=serving)
        self.stub.assert_no_pending_responses()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    with made.stub:
        yield made


@pytest.mark.parametrize(("running", "minimum", "maximum"), [(2, 2, 2), (1, 1, 3), (3, 1, 3)])
def test_a_count_within_the_settings_is_left(
    endpoint: Endpoint, running: int, minimum: int, maximum: int
) -> None:
    endpoint.is_described(running)
    endpoint.settle(minimum, maximum)


def test_the_bounds_of_a_schedule_may_apply_now(endpoint: Endpoint) -> None:
    entry = CapacitySchedule(
        cron="0 7 * * ? *", time_zone="UTC", min_instance_count=4, max_instance_count=6
    )
    for running in (1, 6):
        endpoint.is_described(running)
        endpoint.settle(1, 3, entry)


@pytest.mark.parametrize(
    ("running", "minimum", "maximum", "wanted", "allowed"),
    [(2, 4, 4, 4, "4"), (4, 2, 2, 2, "2"), (1, 2, 5, 2, "2 to 5"), (6, 2, 5, 5, "2 to 5")],
)
def test_another_count_is_set_and_told(
    endpoint: Endpoint,
    running: int,
    minimum: int,
    maximum: int,
    wanted: int,
    allowed: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    endpoint.is_described(running)
    endpoint.is_resized(wanted)
    endpoint.is_described(running, "Updating")
    endpoint.is_described(wanted)  # to the SDK's waiter
    endpoint.is_described(wanted)
    endpoint.settle(minimum, maximum)
    assert capsys.readouterr().out == (
        f"  The endpoint runs {counted(running, 'instance')}, the stage sets {allowed}: "
        f"changing to {wanted}\n"
    )


@pytest.mark.parametrize("status", ["Updating", "SystemUpdating", "RollingBack"])
def test_a_change_in_progress_ends_first(endpoint: Endpoint, status: str) -> None:
    endpoint.is_described(1, status)
    endpoint.is_described(3)
    endpoint.is_described(3)
    endpoint.settle(3, 5)


@pytest.mark.parametrize("status", ["Failed", "UpdateRollbackFailed", "OutOfService"])
def test_an_endpoint_that_does_not_serve_is_not_resized(endpoint: Endpoint, status: str) -> None:
    endpoint.is_described(1, status, FailureReason="no such image")
    with pytest.raises(ToolError, match=f"whippet-dev is {status}, and .*: no such image"):
        endpoint.settle(3, 5)
    endpoint.stub.assert_no_pending_responses()


def test_a_count_that_is_refused_is_an_error_with_the_command(endpoint: Endpoint) -> None:
    endpoint.is_described(2)
    endpoint.stub.add_client_error(
        "update_endpoint_weights_and_capacities", "ResourceLimitExceeded", "the quota is 3"
    )
    with pytest.raises(ToolError) as told:
        endpoint.settle(4, 4)
    text = str(told.value)
    assert "whippet-dev runs 2 instances, but the stage sets 4" in text
    assert "the quota is 3" in text
    assert "--endpoint-name whippet-dev --desired-weights-and-capacities " in text
    assert "VariantName=primary,DesiredInstanceCount=4`" in text


def test_instances_that_do_not_start_are_an_error(endpoint: Endpoint) -> None:
    endpoint.is_described(2)
    endpoint.is_resized(4)
    endpoint.is_described(2, FailureReason="insufficient capacity")
    with pytest.raises(ToolError, match=r"2 instances, but the stage sets 4, .* insufficient"):
        endpoint.settle(4, 4)
