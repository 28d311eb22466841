"""A measurement of one instance, and what ends it."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stacks.settings.stage import StageSettings
from tests.tools.load.outcomes import outcome
from tests.tools.load.test_measure import Instance
from tools.console import ToolError
from tools.load import capacity
from tools.load.capacity import Measurement, planned_requests
from tools.load.destination import Stage
from tools.load.generator import Destination, Load
from tools.load.instances import InstanceWatch, Sample
from tools.load.outcomes import Outcome
from tools.load.sending import Sent
from tools.load.served import SERVERLESS, Served, check_one_instance

DESTINATION = Destination(url="", headers={}, region=None, certificates=None, environment={})
SERVED = Served(
    instance_type="ml.m5.large", precision="fp32", version=None, instances=1, is_changing=False
)


class Sender:
    """Sends to an instance that is computed, in place of the program that sends requests."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.requests = 0
        self.instances_after = 10**9
        self.status_above: tuple[float, int] | None = None
        self.late_above = 1e9
        self.stops_above = 1e9

    def send(
        self, _: Destination, load: Load, watch: InstanceWatch, *, shows_progress: bool
    ) -> Sent:
        assert not shows_progress
        self.requests += load.requests
        instances = 1 + (self.requests > self.instances_after)
        watch.samples.append(Sample(time.monotonic(), instances, "InService"))
        outcomes = self.instance.outcomes(load.rate, load.requests / load.rate)
        if self.status_above and load.rate > self.status_above[0]:
            status = self.status_above[1]
            outcomes = [replace(each, status=status, body="no") for each in outcomes]
        if load.rate > self.late_above:
            outcomes = [outcome(each.scheduled, started=0.2, latency=0.3) for each in outcomes]
        return Sent(outcomes, was_stopped=load.rate > self.stops_above)


class Case:
    """A measurement of a stage, with a sender whose behaviour a test chooses."""

    def __init__(self, patch: pytest.MonkeyPatch, **sections: Any) -> None:
        self.patch = patch
        self.sender = Sender(Instance(40.0))
        patch.setattr(capacity, "send", self.sender.send)
        self.sections: dict[str, Any] = {"stage": "dev", **sections}
        self.api: tuple[str, str] | None = None
        self.outcomes: list[Outcome] = []

    def find(self, first: float = 5.0) -> float:
        stage = Stage(
            settings=StageSettings.model_validate(self.sections), client=lambda _: None,
            environment={}, minute_seconds=60.0, api=self.api,
        )  # fmt: skip
        self.patch.setattr(Stage, "destination", lambda _: DESTINATION)
        watch = InstanceWatch(None, "whippet-dev", 1.0)
        images = ((Path("a.jpg"), "image/jpeg"),)
        measurement = Measurement(stage, images, 10.0, watch)
        try:
            return measurement.find(first)
        finally:
            self.outcomes = measurement.outcomes


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(monkeypatch)


def test_the_capacity_and_each_step_are_shown(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 36 < case.find() <= 41.6
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("     5.0 a second, 50 requests: p99 25 ms: sustained")
    assert any("503: overloaded" in line for line in printed)
    assert len(case.outcomes) == case.sender.requests


def test_another_instance_ends_it(case: Case) -> None:
    case.sender.instances_after = 100
    with pytest.raises(
        ToolError, match="has 2 instances in service, expected exactly one"
    ) as found:
        case.find()
    assert "DynamicScalingOutSuspended=true" in str(found.value)


def test_limits_of_the_api_end_it(case: Case) -> None:
    case.sender.status_above = (9.0, 429)
    case.api = ("https://api/", "k")
    with pytest.raises(ToolError, match="The API refused requests with 429 at 10 a second"):
        case.find()


def test_a_throttled_endpoint_is_one_that_cannot_respond(case: Case) -> None:
    case.sender.status_above = (9.0, 429)
    assert 8 < case.find() <= 9


@pytest.mark.parametrize("stage", ["dev", "local"])
def test_a_sender_that_is_late_says_nothing_about_another_machine(stage: str, case: Case) -> None:
    case.sections["stage"] = stage
    case.sender.late_above = 21.0
    if stage == "local":
        assert 19 < case.find() <= 21
        return
    with pytest.raises(ToolError, match="this machine started 100 % of the requests late"):
        case.find()


def test_a_stage_of_its_own_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    strict = Case(monkeypatch, serving={"rollback_model_latency_p99_ms": 20})
    with pytest.raises(ToolError, match=r"Not even 0\.5 requests a second"):
        strict.find()  # a single request takes 25 ms


def test_ctrl_c_writes_nothing(case: Case) -> None:
    case.sender.stops_above = 15.0
    with pytest.raises(ToolError, match="Stopped: nothing was written"):
        case.find()


def test_only_one_instance_that_does_not_change_is_measured() -> None:
    check_one_instance(SERVED, "dev")
    with pytest.raises(ToolError, match="is being changed"):
        check_one_instance(replace(SERVED, is_changing=True), "dev")
    with pytest.raises(ToolError, match="is serverless: it has no instance that could be"):
        check_one_instance(replace(SERVED, instance_type=SERVERLESS, instances=0), "dev")
    for count in (0, 2):
        with pytest.raises(ToolError, match=f"has {count} instances in service"):
            check_one_instance(replace(SERVED, instances=count), "dev")
    with pytest.raises(ToolError, match="`make down` and `make up` begin with one"):
        check_one_instance(replace(SERVED, instances=2), "local")


def test_a_measurement_sends_no_more_than_is_announced(case: Case) -> None:
    case.sender.instance = Instance(460.0, queue=8)
    case.find(0.5)
    requests, _ = planned_requests(10.0)
    assert case.sender.requests <= requests
