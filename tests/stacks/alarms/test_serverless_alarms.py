"""Alarms of a stage with a serverless endpoint: which it has, and their thresholds."""

import pytest

from stacks.components.monitoring.catalogue.definition import Subject
from stacks.components.monitoring.catalogue.stage_alarms import stage_alarms
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.alarms.modes import SERVERLESS, changed, serverless
from tests.stacks.alarms.virtual_stage import ALARM
from tests.stacks.conftest import Synthesize
from tools.prices import FREE_ALARM_METRICS


def test_every_alarm_on_the_endpoint_has_a_cause(dev_settings: StageSettings) -> None:
    on_endpoint = {
        alarm.name
        for alarm in stage_alarms(SERVERLESS.settings(dev_settings))
        if any(each.subject is Subject.ENDPOINT for each in alarm.metrics.values())
    }
    assert on_endpoint == {name for _, _, alarms in SERVERLESS.causes.values() for name in alarms}


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
    limits = {"model_setup_time_ms": 12_000, "serverless_concurrency_percent": 55}
    settings = changed(serverless(dev_settings), alarms="full", **limits)
    thresholds = {alarm.name: alarm.threshold for alarm in stage_alarms(settings)}
    assert thresholds["ModelSetupTime"] == 12_000_000, "microseconds"
    assert thresholds["ServerlessConcurrency"] == 0.55, "1 is the limit"
