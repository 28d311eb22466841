"""Every alarm of the catalogue is raised by its cause, and by nothing else."""

from typing import Any

import pytest

from local_cloud.clock import Clock
from stacks.components.monitoring.catalogue.definition import DIMENSION_NAMES
from stacks.components.monitoring.catalogue.stage_alarms import stage_alarms
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.alarms.traffic import Traffic, published, samples
from tests.stacks.alarms.virtual_stage import ALARM, VirtualStage, name_of
from tests.stacks.assembly import Assembly, walk, with_serving
from tests.stacks.conftest import Synthesize
from tools.prices import FREE_ALARM_METRICS

COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
# Each cause, how long it lasts at most until the alarms are on, and which.
CAUSES: dict[str, tuple[Traffic, int, set[str]]] = {
    "the API is slow": (Traffic(api_ms=1200), 4, {"ApiLatency"}),
    "the API responds with 5XX": (Traffic(api_5xx=1), 2, {"ApiErrors"}),
    "clients are refused": (Traffic(api_4xx=120), 11, {"ApiRefusals"}),
    "the proxy fails": (Traffic(proxy_errors=1), 2, {"ProxyErrors"}),
    "the proxy is throttled": (Traffic(proxy_throttles=1), 2, {"ProxyThrottles"}),
    "the proxy is slow": (Traffic(proxy_ms=6000), 4, {"ProxyDuration"}),
    "a permission is missing": (Traffic(denials=1), 2, {"EndpointAccessDenials"}),
    "health fails": (Traffic(health_errors=1), 4, {"HealthErrors"}),
    "the endpoint fails": (Traffic(endpoint_5xx=1), 2, {"EndpointErrors"}),
    "the model is slow": (Traffic(model_ms=700), 4, {"ModelLatency"}),
    "SageMaker is slow": (Traffic(overhead_ms=700), 4, {"OverheadLatency"}),
    "the endpoint is gone": (Traffic(endpoint_exists=False), 9, {"EndpointNotReached"}),
    "the endpoint counts nothing": (Traffic(counted=0), 9, {"EndpointNotReached"}),
    "all instances are in use": (Traffic(instances=3), 16, {"FleetAtMaximum"}),
    "the cores are busy": (Traffic(cpu=185), 6, {"EndpointCpu"}),
    "the memory is full": (Traffic(memory=91), 6, {"EndpointMemory"}),
    "the disk is full": (Traffic(disk=86), 6, {"EndpointDisk"}),
    "a training fails": (Traffic(failed=1), 2, {"FailedExecutions"}),
    "a training times out": (Traffic(timed_out=1), 2, {"FailedExecutions"}),
    "the firewall blocks": (Traffic(blocked=1500), 6, {"FirewallBlocks"}),
    "the page fails": (Traffic(page_5xx_percent=8), 6, {"PageErrors"}),
}
NAMESPACES = sorted({sample.namespace for sample in samples(Traffic(denials=1, failed=1))})
# What 8 of 12 minutes and 1 of 5 take to be forgotten.
MINUTES_TO_END = 8
SHORT_OF = {
    "slow for a minute": (Traffic(api_ms=1200, model_ms=700, overhead_ms=700, proxy_ms=6000), 2),
    "a third of the requests are refused": (Traffic(api_4xx=66), 15),
    "a few requests are refused": (Traffic(requests=10, api_4xx=10), 15),
    "few requests, of which one is slow": (Traffic(requests=40, model_ms=40), 15),
    "two of three instances": (Traffic(instances=2), 20),
    "three instances after a peak": (Traffic(requests=30, instances=3), 30),
    "an endpoint that is replaced": (Traffic(counted=0), 6),
    "busy for a while": (Traffic(cpu=199), 4),
    "no request at all": (Traffic(requests=0), 20),
}


@pytest.fixture
def everything(dev_settings: StageSettings, synthesize_with: Synthesize) -> Assembly:
    """A stage that has every alarm."""
    settings = with_changes(
        dev_settings,
        account="123456789012",
        region="us-east-1",
        api=with_changes(dev_settings.api, firewall_enabled=True),
        monitoring=with_changes(
            dev_settings.monitoring, alarms="full", metrics="full", page_alarms=True
        ),
    )
    return synthesize_with(settings)


@pytest.fixture
def stage(everything: Assembly) -> VirtualStage:
    stage = VirtualStage(everything)
    stage.minutes(3, Traffic())
    assert {alarm["StateValue"] for alarm in stage.alarms()} == {"OK"}
    return stage


@pytest.mark.parametrize("cause", CAUSES)
def test_an_alarm_is_raised_by_its_cause_alone_and_ends_with_it(
    stage: VirtualStage, cause: str
) -> None:
    traffic, minutes, alarms = CAUSES[cause]
    stage.minutes(minutes, traffic)
    assert stage.raised() == alarms
    stage.minutes(MINUTES_TO_END, Traffic())
    assert stage.raised() == set()


@pytest.mark.parametrize("cause", CAUSES)
def test_an_alarm_is_raised_although_its_metrics_are_late(everything: Assembly, cause: str) -> None:
    """The latest minutes have no data, or what an expression fills in."""
    traffic, minutes, names = CAUSES[cause]
    (alarm,) = (each for each in stage_alarms(everything.settings) if each.name in names)
    for late in {source.namespace for source in alarm.metrics.values()}:
        stage = VirtualStage(everything, {late: 2})
        stage.minutes(3, Traffic())
        assert stage.minutes(minutes + 3, traffic) == names


@pytest.mark.parametrize("late", NAMESPACES)
def test_late_metrics_raise_no_alarm(everything: Assembly, late: str) -> None:
    stage = VirtualStage(everything, {late: 5})
    assert stage.minutes(15, Traffic()) == set()


def test_a_filled_minute_is_never_enough(everything: Assembly) -> None:
    """CloudWatch's page on metric math says that an alarm may else be stuck in a state."""
    filled = [alarm for alarm in stage_alarms(everything.settings) if "FILL" in (
        alarm.expression or ""
    )]  # fmt: skip
    assert {alarm.name for alarm in filled} == {"EndpointNotReached", "FailedExecutions"}
    assert all(alarm.minutes > (alarm.datapoints or alarm.minutes) for alarm in filled)


def test_a_full_fleet_by_concurrent_requests(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    full = changed(dev_settings, alarms="full")
    settings = with_serving(
        full, scaling_target="concurrent_requests", target_concurrent_requests_per_instance=4
    )
    stage = VirtualStage(synthesize_with(settings))
    stage.minutes(20, Traffic(instances=3, concurrent=3))
    assert stage.raised() == set()
    stage.minutes(16, Traffic(instances=3, concurrent=5))
    assert stage.raised() == {"FleetAtMaximum"}


def test_every_alarm_has_a_cause(stage: VirtualStage) -> None:
    assert {name for _, _, alarms in CAUSES.values() for name in alarms} == set(stage.records)


@pytest.mark.parametrize("case", SHORT_OF)
def test_less_than_the_cause_raises_no_alarm(stage: VirtualStage, case: str) -> None:
    traffic, minutes = SHORT_OF[case]
    assert stage.minutes(minutes, traffic) == set()


def test_no_alarm_in_a_healthy_hour(stage: VirtualStage) -> None:
    for minute in range(60):
        quiet = minute % 20 < 5
        stage.minutes(1, Traffic(requests=3 if quiet else 150 + minute, instances=1 + minute // 30))
        assert stage.raised() == set()


def test_each_metric_is_one_that_a_service_publishes(everything: Assembly) -> None:
    found = published(Traffic(denials=1, failed=1, timed_out=1))
    for alarm in stage_alarms(everything.settings):
        for source in alarm.metrics.values():
            expected = (DIMENSION_NAMES[source.subject], source.unit)
            assert found[source.namespace, source.name] == expected


def test_the_metrics_of_a_minute_are_those_of_a_period_of_a_minute(everything: Assembly) -> None:
    periods = {
        part["Period"]
        for alarm in everything.resources("monitoring", ALARM)
        for part in walk(alarm.properties)
        if isinstance(part, dict) and "Period" in part
    }
    assert periods == {Clock().minute_seconds}


def test_the_threshold_of_busy_cores_counts_the_cores(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    monitoring = with_changes(dev_settings.monitoring, alarms="full", endpoint_cpu_percent=75)
    settings = with_changes(dev_settings, monitoring=monitoring)
    for kind, cores in (("ml.c6i.large", 2), ("ml.m5.xlarge", 4), ("ml.g5.12xlarge", 48)):
        assembly = synthesize_with(with_serving(settings, instance_type=kind))
        (alarm,) = (
            each.properties
            for each in assembly.resources("monitoring", ALARM)
            if name_of(each) == "EndpointCpu"
        )
        assert alarm["Threshold"] == 75 * cores


def test_users_are_affected_when_one_of_what_they_notice_is_on(everything: Assembly) -> None:
    rule = everything.resource("monitoring", COMPOSITE).properties["AlarmRule"]
    (_, parts) = rule["Fn::Join"]
    arns = {part["Fn::GetAtt"][0] for part in parts if isinstance(part, dict)}
    names = {
        name_of(alarm)
        for alarm in everything.resources("monitoring", ALARM)
        if alarm.logical_id in arns
    }
    assert names == {
        "ApiErrors", "ApiLatency", "EndpointAccessDenials", "EndpointErrors", "EndpointNotReached",
        "ProxyErrors", "ProxyThrottles",
    }  # fmt: skip
    text = "".join(part if isinstance(part, str) else "" for part in parts)
    assert text.count("ALARM(") == len(names)
    assert text.count(" OR ") == len(names) - 1


@pytest.mark.parametrize("firewall", [False, True])
def test_basic_alarms_are_at_most_ten_on_one_metric_each(
    dev_settings: StageSettings, synthesize_with: Synthesize, *, firewall: bool
) -> None:
    api = with_changes(dev_settings.api, firewall_enabled=firewall)
    assembly = synthesize_with(with_changes(dev_settings, api=api))
    alarms = [alarm.properties for alarm in assembly.resources("monitoring", ALARM)]
    assert len(alarms) <= FREE_ALARM_METRICS
    assert len(alarms) == 9 + firewall
    assert all("MetricName" in alarm and "Metrics" not in alarm for alarm in alarms)
    assert not assembly.resources("monitoring", COMPOSITE)


def changed(settings: StageSettings, **monitoring: Any) -> StageSettings:
    return with_changes(settings, monitoring=with_changes(settings.monitoring, **monitoring))


def test_a_stage_has_no_alarm_on_what_it_does_not_have(dev_settings: StageSettings) -> None:
    def names(settings: StageSettings) -> set[str]:
        return {alarm.name for alarm in stage_alarms(settings)}

    full = changed(dev_settings, alarms="full")
    assert "EndpointNotReached" not in names(full), "its metric is one of metrics = full"
    assert "EndpointNotReached" in names(changed(full, metrics="full"))
    assert "FleetAtMaximum" in names(full)
    assert "FleetAtMaximum" not in names(with_serving(full, max_instance_count=1))
    assert not names(full) & {"FirewallBlocks", "PageErrors"}
