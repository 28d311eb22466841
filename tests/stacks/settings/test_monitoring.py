import json
from pathlib import Path

import pytest

from stacks.components.monitoring.catalogue.stage_alarms import stage_alarms
from stacks.settings.monitoring import MonitoringSettings
from stacks.settings.stage import load_stage_settings
from tests.changed_settings import with_changes
from tests.stacks.assembly import CONFIG
from tests.stacks.settings.stage_file import load_text, refusal_of, section


@pytest.mark.parametrize(
    ("email", "address"), [("ops@example.com", "ops@example.com"), ("none", None)]
)
def test_an_address_or_none_is_read(tmp_path: Path, email: str, address: str | None) -> None:
    monitoring = load_text(
        tmp_path, section("monitoring", {"alarm_email": f'"{email}"'})
    ).monitoring
    assert (monitoring.alarm_email, monitoring.alarm_address) == (email, address)


@pytest.mark.parametrize("email", ["None", "", "ops", "ops@example", "a b@example.com", "none "])
def test_what_is_no_address_is_refused(tmp_path: Path, email: str) -> None:
    message = refusal_of(tmp_path, section("monitoring", {"alarm_email": f'"{email}"'}))
    assert message == (f'monitoring.alarm_email = {email!r}: expected an e-mail address, or "none"')


def test_classes_to_count_are_read(tmp_path: Path) -> None:
    labels = ["tabby cat", "na\u00efve \u732b", ":", "l" * 300]
    table = section("monitoring", {"metrics": '"full"', "counted_classes": json.dumps(labels)})
    assert load_text(tmp_path, table).monitoring.counted_classes == tuple(labels)


@pytest.mark.parametrize(
    ("metrics", "labels", "problem"),
    [
        ("basic", ["cat"], "needs metrics = 'full'"),
        ("full", [str(index) for index in range(21)], "has 21 labels: expected at most 20"),
        ("full", ["cat", "other"], "names 'other', as which all classes that it does not name"),
    ],
)
def test_classes_that_cannot_be_counted_are_refused(
    tmp_path: Path, metrics: str, labels: list[str], problem: str
) -> None:
    table = {"metrics": f'"{metrics}"', "counted_classes": json.dumps(labels)}
    message = refusal_of(tmp_path, section("monitoring", table))
    assert message.startswith(f"monitoring.counted_classes {problem}")


def test_an_empty_label_is_refused(tmp_path: Path) -> None:
    table = {"metrics": '"full"', "counted_classes": '["cat", ""]'}
    message = refusal_of(tmp_path, section("monitoring", table))
    assert message == "monitoring.counted_classes[1] = '': expected the label of a class"


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_every_protected_stage_says_who_receives_its_alarms(stage: str) -> None:
    settings = load_stage_settings(stage, CONFIG)
    assert settings.termination_protection is (settings.monitoring.alarm_email is not None)


def test_a_threshold_says_with_which_alarms_it_has_an_effect() -> None:
    stage = load_stage_settings("prod", CONFIG)
    everything = with_changes(
        stage,
        api=with_changes(stage.api, firewall_enabled=True),
        monitoring=with_changes(
            stage.monitoring, alarms="full", metrics="full", page_alarms=True
        ),
    )  # fmt: skip
    has_basic: dict[str, bool] = {}
    for alarm in stage_alarms(everything):
        if alarm.setting is not None:
            has_basic[alarm.setting] = alarm.basic or has_basic.get(alarm.setting, False)
    said = {
        name: field.description.startswith("Alarm: ")
        for name, field in MonitoringSettings.model_fields.items()
        if field.description and field.description.startswith(("Alarm: ", "Alarm, with"))
    }
    assert said == has_basic
    for name, basic in said.items():
        description = MonitoringSettings.model_fields[name].description or ""
        assert basic or description.startswith("Alarm, with `alarms` = `full`: ")
