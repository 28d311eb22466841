"""The function that ends machines of the EC2 trainer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from trainer_time_limit import handler

REQUEST: dict[str, Any] = {
    "Filters": [
        {"Name": "tag:whippet-trainer", "Values": ["whippet-dev"]},
        {
            "Name": "instance-state-name",
            "Values": ["pending", "running", "stopping", "stopped"],
        },
    ]
}


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TRAINER", "whippet-dev")
    monkeypatch.setenv("LIMIT_MINUTES", "285")
    client = boto3.client(
        "ec2", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    monkeypatch.setattr(boto3, "client", lambda _service: client)
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def reservation(**ages_minutes: int) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "Instances": [
            {"InstanceId": name.replace("_", "-"), "LaunchTime": now - timedelta(minutes=age)}
            for name, age in ages_minutes.items()
        ]
    }


def test_only_the_old_ones_are_ended(ec2: Stubber) -> None:
    pages: list[dict[str, Any]] = [
        {"Reservations": [reservation(i_old=286, i_new=284)], "NextToken": "more"},
        {"Reservations": [reservation(i_older=9999)]},
    ]
    ec2.add_response("describe_instances", pages[0], REQUEST)
    ec2.add_response("describe_instances", pages[1], REQUEST | {"NextToken": "more"})
    ec2.add_response("terminate_instances", {}, {"InstanceIds": ["i-old", "i-older"]})
    assert handler.handle({}, None) == ["i-old", "i-older"]


def test_without_old_ones_nothing_is_ended(ec2: Stubber) -> None:
    found = {"Reservations": [reservation(i_new=1)]}
    ec2.add_response("describe_instances", found, REQUEST)
    assert handler.handle({}, None) == []
