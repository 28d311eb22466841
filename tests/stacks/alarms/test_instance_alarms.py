"""Alarms of a stage with instances: which it has, and their thresholds."""

import pytest

from local_cloud.clock import Clock
from stacks.components.monitoring.catalogue.stage_alarms import stage_alarms
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.alarms.modes import INSTANCES, changed
from tests.stacks.alarms.traffic import Traffic
from tests.stacks.alarms.virtual_stage import ALARM, VirtualStage, name_of
from tests.stacks.assembly import Assembly, walk, with_serving
from tests.stacks.conftest import Synthesize
from tools.prices import FREE_ALARM_METRICS

COMPOSITE = "AWS::CloudWatch::CompositeAlarm"


@pytest.fixture
def everything(dev_settings: StageSettings, synthesize_with: Synthesize) -> Assembly:
    """A stage that has every alarm."""
    return synthesize_with(INSTANCES.settings(dev_settings))


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


def test_every_alarm_has_a_cause(everything: Assembly) -> None:
    caused = {name for _, _, alarms in INSTANCES.causes.values() for name in alarms}
    assert caused == set(VirtualStage(everything).records)


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


def test_a_stage_has_no_alarm_on_what_it_does_not_have(dev_settings: StageSettings) -> None:
    def names(settings: StageSettings) -> set[str]:
        return {alarm.name for alarm in stage_alarms(settings)}

    full = changed(dev_settings, alarms="full")
    assert "EndpointNotReached" not in names(full), "its metric is one of metrics = full"
    assert "EndpointNotReached" in names(changed(full, metrics="full"))
    assert "FleetAtMaximum" in names(full)
    assert "FleetAtMaximum" not in names(with_serving(full, max_instance_count=1))
    assert not names(full) & {"FirewallBlocks", "PageErrors"}
