"""Every alarm of the catalogue is raised by its cause, and by nothing else, in both modes."""

from dataclasses import replace
from typing import Any

import pytest

from stacks.components.monitoring.catalogue.definition import DIMENSION_NAMES
from stacks.components.monitoring.catalogue.stage_alarms import stage_alarms
from stacks.settings.stage import StageSettings
from tests.stacks.alarms.modes import INSTANCES, SERVERLESS, Mode
from tests.stacks.alarms.traffic import Traffic, published, samples
from tests.stacks.alarms.virtual_stage import VirtualStage
from tests.stacks.assembly import Assembly
from tests.stacks.conftest import Synthesize

MODES = {"instances": INSTANCES, "serverless": SERVERLESS}
# What 8 of 12 minutes and 1 of 5 take to be forgotten.
MINUTES_TO_END = 8
NAMESPACES = sorted({sample.namespace for sample in samples(Traffic(denials=1, failed=1))})


def each(table: str) -> pytest.MarkDecorator:
    """Parametrize a test by the mode and the names of a table of it."""
    cases = [
        pytest.param(mode, case, id=f"{name}: {case}")
        for name, mode in MODES.items()
        for case in getattr(mode, table)
    ]
    return pytest.mark.parametrize(("mode", "case"), cases)


in_each_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES.keys())


@pytest.fixture
def everything(mode: Mode, dev_settings: StageSettings, synthesize_with: Synthesize) -> Assembly:
    """A stage that has every alarm of the mode."""
    return synthesize_with(mode.settings(dev_settings))


@pytest.fixture
def stage(mode: Mode, everything: Assembly) -> VirtualStage:
    stage = VirtualStage(everything)
    stage.minutes(3, mode.healthy)
    assert {alarm["StateValue"] for alarm in stage.alarms()} == {"OK"}
    return stage


@each("causes")
def test_an_alarm_is_raised_by_its_cause_alone_and_ends_with_it(
    stage: VirtualStage, mode: Mode, case: str
) -> None:
    traffic, minutes, alarms = mode.causes[case]
    stage.minutes(minutes, traffic)
    assert stage.raised() == alarms
    stage.minutes(MINUTES_TO_END, mode.healthy)
    assert stage.raised() == set()


@each("causes")
def test_an_alarm_is_raised_although_its_metrics_are_late(
    everything: Assembly, mode: Mode, case: str
) -> None:
    """The latest minutes have no data, or what an expression fills in."""
    traffic, minutes, names = mode.causes[case]
    (alarm,) = (found for found in stage_alarms(everything.settings) if found.name in names)
    for late in {source.namespace for source in alarm.metrics.values()}:
        stage = VirtualStage(everything, {late: 2})
        stage.minutes(3, mode.healthy)
        assert stage.minutes(minutes + 3, traffic) == names


@in_each_mode
@pytest.mark.parametrize("late", NAMESPACES)
def test_late_metrics_raise_no_alarm(everything: Assembly, mode: Mode, late: str) -> None:
    stage = VirtualStage(everything, {late: 5})
    assert stage.minutes(15, mode.healthy) == set()


@each("short_of")
def test_less_than_the_cause_raises_no_alarm(stage: VirtualStage, mode: Mode, case: str) -> None:
    traffic, minutes = mode.short_of[case]
    assert stage.minutes(minutes, traffic) == set()


@in_each_mode
def test_each_metric_is_one_that_a_service_publishes(everything: Assembly, mode: Mode) -> None:
    given: dict[str, Any] = {"denials": 1, "failed": 1, "timed_out": 1}
    found = published(replace(mode.healthy, **given))
    for alarm in stage_alarms(everything.settings):
        for source in alarm.metrics.values():
            expected = (DIMENSION_NAMES[source.subject], source.unit)
            assert found[source.namespace, source.name] == expected


@in_each_mode
def test_no_alarm_in_a_healthy_hour(stage: VirtualStage, mode: Mode) -> None:
    for minute in range(60):
        requests = 3 if minute % 20 < 5 else 150 + minute
        stage.minutes(1, replace(mode.healthy, requests=requests, instances=1 + minute // 30))
        assert stage.raised() == set()
