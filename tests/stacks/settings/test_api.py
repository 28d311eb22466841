from pathlib import Path

import pytest

from stacks.settings.api import ApiSettings, ConcurrencySchedule
from stacks.settings.stage import load_stage_settings
from tests.stacks.assembly import CONFIG
from tests.stacks.settings.stage_file import load_text, refusal_of, section

STAGES = ("local", "dev", "prod")


def text_of(changes: dict[str, str]) -> str:
    """Return a stage file with these lines in [api]; the values are TOML."""
    # Behind the page's CloudFront no caller has an address of its own.
    web = {"enabled": "false"} if "allowed_address_ranges" in changes else {}
    return section("api", changes) + section("web", web)


def load(tmp_path: Path, **changes: str) -> ApiSettings:
    return load_text(tmp_path, text_of(changes)).api


def error_of(tmp_path: Path, **changes: str) -> str:
    return refusal_of(tmp_path, text_of(changes))


@pytest.mark.parametrize(("stage", "expected"), [("local", False), ("dev", False), ("prod", True)])
def test_only_prod_has_a_firewall(stage: str, expected: bool) -> None:
    assert load_stage_settings(stage, CONFIG).api.firewall_enabled is expected


@pytest.mark.parametrize("stage", STAGES)
def test_settings_that_widen_or_narrow_access_are_off_by_default(stage: str) -> None:
    api = load_stage_settings(stage, CONFIG).api
    assert api.url_hosts == ()
    assert api.allowed_address_ranges == ()
    assert api.cors_allowed_origin is None
    assert api.reserved_concurrency is None
    assert api.access_log_retention_days == 30


def test_a_schedule_is_read(tmp_path: Path) -> None:
    schedule = (
        '[{ cron = "0 7 ? * MON-FRI *", time_zone = "Europe/Berlin", provisioned_concurrency = 5 },'
        ' { cron = "0 19 * * ? *", time_zone = "UTC", provisioned_concurrency = 0 }]'
    )
    api = load(tmp_path, provisioned_concurrency_schedule=schedule)
    assert api.provisioned_concurrency_schedule == (
        ConcurrencySchedule(
            cron="0 7 ? * MON-FRI *", time_zone="Europe/Berlin", provisioned_concurrency=5
        ),
        ConcurrencySchedule(cron="0 19 * * ? *", time_zone="UTC", provisioned_concurrency=0),
    )
    assert api.max_provisioned_concurrency == 5


@pytest.mark.parametrize(
    "cron", ["0 7 * * *", "0 7 * * * *", "0 7 ? * ? *", "cron(0 7 ? * MON-FRI *)", "rate(1 hour)"]
)
def test_a_schedule_that_aws_would_refuse_is_refused(tmp_path: Path, cron: str) -> None:
    entry = f'[{{ cron = "{cron}", time_zone = "UTC", provisioned_concurrency = 5 }}]'
    message = error_of(tmp_path, provisioned_concurrency_schedule=entry)
    assert f"provisioned_concurrency_schedule[0].cron = {cron!r}: expected six fields" in message


def test_reserved_concurrency_must_cover_the_maximum_provisioned(tmp_path: Path) -> None:
    entry = '[{ cron = "0 7 * * ? *", time_zone = "UTC", provisioned_concurrency = 5 }]'
    enough = load(tmp_path, reserved_concurrency="5", provisioned_concurrency_schedule=entry)
    assert enough.reserved_concurrency == 5
    message = error_of(tmp_path, reserved_concurrency="4", provisioned_concurrency_schedule=entry)
    assert "api.reserved_concurrency = 4: expected at least 5" in message


def test_health_without_a_key_gets_no_more_than_those_with_one(tmp_path: Path) -> None:
    message = error_of(tmp_path, health_requests_per_second="11")
    assert "expected at most api.throttle_requests_per_second = 10" in message


def test_a_firewall_lets_a_caller_use_the_keys_whole_throttle(tmp_path: Path) -> None:
    limits = {"firewall_requests_per_minute_per_address": "599"}
    load(tmp_path, **limits)  # without a firewall it is only a number
    message = error_of(tmp_path, firewall_enabled="true", **limits)
    assert "firewall_requests_per_minute_per_address = 599: expected at least 600" in message
    limits = {"firewall_requests_per_minute_per_address": "600"}
    assert load(tmp_path, firewall_enabled="true", **limits).firewall_enabled


def test_hosts_and_ranges_are_read(tmp_path: Path) -> None:
    api = load(
        tmp_path,
        url_hosts='["images.example.com", "*.example.org"]',
        allowed_address_ranges='["203.0.113.0/24", "2001:db8::/32"]',
    )
    assert api.url_hosts == ("images.example.com", "*.example.org")
    assert api.allowed_address_ranges == ("203.0.113.0/24", "2001:db8::/32")


@pytest.mark.parametrize(
    "host",
    ["localhost", "https://example.com", "example.com:443", "EXAMPLE.com", "example.com.", "*",
     "*.com", "a.*.com", "a..b", "-a.com", "169.254.169.254", "[::1]", "a,b.com",
     "ex\u00e4mple.com"],
)  # fmt: skip
def test_an_invalid_host_name_is_refused(tmp_path: Path, host: str) -> None:
    assert "expected " in error_of(tmp_path, url_hosts=f'["{host}"]')


@pytest.mark.parametrize(
    "address_range", ["203.0.113.1/24", "203.0.113.0", "203.0.113.0/33", "300.0.0.0/8", "::/129"]
)
def test_an_invalid_address_range_is_refused(tmp_path: Path, address_range: str) -> None:
    message = error_of(tmp_path, allowed_address_ranges=f'["{address_range}"]')
    assert "api.allowed_address_ranges" in message
    assert "such as 203.0.113.0/24" in message
