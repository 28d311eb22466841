"""Every alarm of a serverless endpoint is raised by its cause, and by nothing else."""

from typing import Any

import pytest

from stacks.components.monitoring.catalogue.definition import DIMENSION_NAMES, Subject
from stacks.components.monitoring.catalogue.stage_alarms import stage_alarms
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.alarms.test_alarm_causes import MINUTES_TO_END
from tests.stacks.alarms.traffic import Traffic, published
from tests.stacks.alarms.virtual_stage import ALARM, VirtualStage
from tests.stacks.assembly import Assembly, with_serving
from tests.stacks.conftest import Synthesize
from tools.prices import FREE_ALARM_METRICS


def traffic(**changes: Any) -> Traffic:
    return Traffic(**{"concurrency_use": 0.4, **changes})


CAUSES: dict[str, tuple[Traffic, int, set[str]]] = {
    "all containers are busy": (traffic(concurrency_use=0.95), 4, {"ServerlessConcurrency"}),
    "a container starts slowly": (traffic(setup_ms=41_000), 2, {"ModelSetupTime"}),
    "the memory is full": (traffic(memory=91), 6, {"EndpointMemory"}),
    "the endpoint fails": (traffic(endpoint_5xx=1), 2, {"EndpointErrors"}),
    "the model is slow": (traffic(model_ms=700), 4, {"ModelLatency"}),
    "the endpoint is gone": (traffic(counted=0), 9, {"EndpointNotReached"}),
}
SHORT_OF = {
    "busy for two minutes": (traffic(concurrency_use=1.0), 2),
    "below the limit of concurrency": (traffic(concurrency_use=0.89), 10),
    "a start within its limit": (traffic(setup_ms=29_000), 10),
    "no request at all": (traffic(requests=0), 20),
}


def serverless(dev: StageSettings, **monitoring: Any) -> StageSettings:
    changed = with_changes(dev, monitoring=with_changes(dev.monitoring, **monitoring))
    return with_serving(changed, mode="serverless", serverless_max_concurrency=20)


@pytest.fixture
def everything(dev_settings: StageSettings, synthesize_with: Synthesize) -> Assembly:
    return synthesize_with(serverless(dev_settings, alarms="full", metrics="full"))


@pytest.fixture
def stage(everything: Assembly) -> VirtualStage:
    stage = VirtualStage(everything)
    stage.minutes(3, traffic())
    assert {alarm["StateValue"] for alarm in stage.alarms()} == {"OK"}
    return stage


@pytest.mark.parametrize("cause", CAUSES)
def test_an_alarm_is_raised_by_its_cause_alone_and_ends_with_it(
    stage: VirtualStage, cause: str
) -> None:
    bad, minutes, alarms = CAUSES[cause]
    stage.minutes(minutes, bad)
    assert stage.raised() == alarms
    stage.minutes(MINUTES_TO_END, traffic())
    assert stage.raised() == set()


@pytest.mark.parametrize("late", ["AWS/SageMaker", "/aws/sagemaker/Endpoints", "Whippet"])
def test_late_metrics_raise_no_alarm(everything: Assembly, late: str) -> None:
    stage = VirtualStage(everything, {late: 5})
    assert stage.minutes(15, traffic()) == set()


@pytest.mark.parametrize("cause", CAUSES)
def test_an_alarm_is_raised_although_its_metrics_are_late(everything: Assembly, cause: str) -> None:
    bad, minutes, alarms = CAUSES[cause]
    late = {"AWS/SageMaker": 2.0, "/aws/sagemaker/Endpoints": 2.0}
    stage = VirtualStage(everything, late)
    stage.minutes(3, traffic())
    assert stage.minutes(minutes + 3, bad) == alarms


@pytest.mark.parametrize("case", SHORT_OF)
def test_less_than_the_cause_raises_no_alarm(stage: VirtualStage, case: str) -> None:
    bad, minutes = SHORT_OF[case]
    assert stage.minutes(minutes, bad) == set()


def test_every_alarm_on_the_endpoint_has_a_cause(everything: Assembly) -> None:
    on_endpoint = {
        alarm.name
        for alarm in stage_alarms(everything.settings)
        if any(each.subject is Subject.ENDPOINT for each in alarm.metrics.values())
    }
    assert on_endpoint == {name for _, _, alarms in CAUSES.values() for name in alarms}


def test_each_metric_is_one_that_a_serverless_endpoint_publishes(everything: Assembly) -> None:
    found = published(traffic(denials=1, failed=1, timed_out=1))
    for alarm in stage_alarms(everything.settings):
        for source in alarm.metrics.values():
            expected = (DIMENSION_NAMES[source.subject], source.unit)
            assert found[source.namespace, source.name] == expected


@pytest.mark.parametrize("firewall", [False, True])
def test_basic_alarms_are_at_most_ten_and_watch_the_concurrency(
    dev_settings: StageSettings, synthesize_with: Synthesize, *, firewall: bool
) -> None:
    api = with_changes(dev_settings.api, firewall_enabled=firewall)
    settings = serverless(with_changes(dev_settings, api=api))
    alarms = synthesize_with(settings).resources("monitoring", ALARM)
    assert len(alarms) == 9 + firewall <= FREE_ALARM_METRICS
    assert all("MetricName" in alarm.properties for alarm in alarms)
    assert "ServerlessConcurrency" in {alarm.name for alarm in stage_alarms(settings)}


def test_thresholds_follow_the_settings(dev_settings: StageSettings) -> None:
    changed = {"model_setup_time_ms": 12_000, "serverless_concurrency_percent": 55}
    settings = serverless(dev_settings, alarms="full", **changed)
    thresholds = {alarm.name: alarm.threshold for alarm in stage_alarms(settings)}
    assert thresholds["ModelSetupTime"] == 12_000_000, "microseconds"
    assert thresholds["ServerlessConcurrency"] == 0.55, "1 is the limit"
