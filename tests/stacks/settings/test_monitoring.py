from pathlib import Path

import pytest

from stacks.settings.stage import load_stage_settings
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


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_every_protected_stage_says_who_receives_its_alarms(stage: str) -> None:
    settings = load_stage_settings(stage, CONFIG)
    assert settings.termination_protection is (settings.monitoring.alarm_email is not None)
