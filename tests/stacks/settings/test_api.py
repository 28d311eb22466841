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
    assert api.reserved_concurrency == (20 if stage == "local" else None)
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


def scheduled(cron: str, time_zone: str = "UTC") -> str:
    return f'[{{ cron = "{cron}", time_zone = "{time_zone}", provisioned_concurrency = 5 }}]'


@pytest.mark.parametrize(
    "cron",
    [
        "0/15 8-18 ? * 2-6 *",
        "*/5 0,12 1,15 JAN-MAR,12 ? 2026-2199",
        "59 23 L * ? 1970",
        "0 0 15W 2/3 ? *",
        "0 0 LW * ? *",
        "5 05 ? * FRI#2 *",
        "0 0 ? * 6L *",
        "0 22-6 ? * FRI-MON *",
    ],
)
def test_expressions_of_the_user_guide_are_read(tmp_path: Path, cron: str) -> None:
    api = load(tmp_path, provisioned_concurrency_schedule=scheduled(cron))
    assert api.provisioned_concurrency_schedule[0].cron == cron


@pytest.mark.parametrize(
    ("cron", "field", "expected"),
    [
        ("60 7 ? * MON *", "minutes = '60'", "0 to 59"),
        ("0/0 7 ? * MON *", "minutes = '0/0'", "0 to 59"),
        ("0, 7 ? * MON *", "minutes = '0,'", "0 to 59"),
        ("0-5-9 7 ? * MON *", "minutes = '0-5-9'", "0 to 59"),
        ("0 24 ? * MON *", "hours = '24'", "0 to 23"),
        ("0 7 0 * ? *", "day of month = '0'", "1 to 31"),
        ("0 7 32 * ? *", "day of month = '32'", "1 to 31"),
        ("0 7 32W * ? *", "day of month = '32W'", "1 to 31"),
        ("0 7 1#2 * ? *", "day of month = '1#2'", "1 to 31"),
        ("0 7 ? 13 MON *", "month = '13'", "1 to 12 or JAN to DEC"),
        ("0 7 ? JANUARY MON *", "month = 'JANUARY'", "1 to 12 or JAN to DEC"),
        ("0 7 ? * 0 *", "day of week = '0'", "1 to 7 or SUN to SAT"),
        ("0 7 ? * MON-FRY *", "day of week = 'MON-FRY'", "1 to 7 or SUN to SAT"),
        ("0 7 ? * 2#6 *", "day of week = '2#6'", "1 to 7 or SUN to SAT"),
        ("0 7 ? * MON 26", "year = '26'", "1970 to 2199"),
        ("0 7 ? * MON 2200", "year = '2200'", "1970 to 2199"),
    ],
)
def test_a_field_out_of_its_bounds_is_named(
    tmp_path: Path, cron: str, field: str, expected: str
) -> None:
    message = error_of(tmp_path, provisioned_concurrency_schedule=scheduled(cron))
    start = f"api.provisioned_concurrency_schedule: cron = {cron!r}: {field}: expected {expected}"
    assert message.startswith(start)


def test_the_nearest_time_zone_is_suggested(tmp_path: Path) -> None:
    mistyped = scheduled("0 7 * * ? *", "Europe/Berln")
    message = error_of(tmp_path, provisioned_concurrency_schedule=mistyped)
    assert message == (
        "api.provisioned_concurrency_schedule: time_zone = 'Europe/Berln': did you mean "
        "Europe/Berlin? Expected the name of a time zone such as UTC or Europe/Berlin"
    )


@pytest.mark.parametrize("name", ["Factory", "localtime", "Mars/Olympus_Mons", "CEST"])
def test_what_is_no_time_zone_is_refused(tmp_path: Path, name: str) -> None:
    message = error_of(tmp_path, provisioned_concurrency_schedule=scheduled("0 7 * * ? *", name))
    assert f"time_zone = {name!r}: " in message


@pytest.mark.parametrize("name", ["UTC", "Etc/GMT+9", "Pacific/Tahiti", "America/Port-au-Prince"])
def test_time_zones_are_read(tmp_path: Path, name: str) -> None:
    api = load(tmp_path, provisioned_concurrency_schedule=scheduled("0 7 * * ? *", name))
    assert api.provisioned_concurrency_schedule[0].time_zone == name


def test_without_a_database_of_time_zones_each_name_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    schedule = scheduled("0 7 * * ? *", "Europe/Berlin")
    assert load(tmp_path, provisioned_concurrency_schedule=schedule)


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


@pytest.mark.parametrize(
    "origin",
    ["https://app.example.com", "http://localhost:8080", "http://127.0.0.1:3000",
     "https://app.example.com:65535", "http://a:443", f"https://{'a' * 63}.com"],
)  # fmt: skip
def test_an_origin_is_read(tmp_path: Path, origin: str) -> None:
    assert load(tmp_path, cors_allowed_origin=f'"{origin}"').cors_allowed_origin == origin


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "https://", "https://.", "https://a..b", "https://-a.com", "https://a-.com",
     "https://App.example.com", "https://app.example.com/", "https://app.example.com:",
     "https://app.example.com:0", "https://a.com,https://b.com", "https://a.com https://b.com",
     "ftp://a.com", "https://user@a.com", f"https://{'a' * 64}.com", f"https://{'a.' * 127}com",
     "https://ex\u00e4mple.com", "https://a.com:8\u0663"],
)  # fmt: skip
def test_what_no_browser_sends_as_an_origin_is_refused(tmp_path: Path, origin: str) -> None:
    message = error_of(tmp_path, cors_allowed_origin=f'"{origin}"')
    assert message.startswith("api.cors_allowed_origin = ")
    assert message.endswith("expected one origin such as https://app.example.com")


@pytest.mark.parametrize("origin", ["https://app.example.com:443", "http://app.example.com:80"])
def test_an_origin_has_no_default_port(tmp_path: Path, origin: str) -> None:
    message = error_of(tmp_path, cors_allowed_origin=f'"{origin}"')
    assert message.endswith(f"no page has this origin, expected {origin.rpartition(':')[0]}")


@pytest.mark.parametrize("port", [65_536, 999_999])
def test_the_port_of_an_origin_is_one_that_exists(tmp_path: Path, port: int) -> None:
    message = error_of(tmp_path, cors_allowed_origin=f'"https://app.example.com:{port}"')
    assert message.endswith(": expected a port up to 65535")


def test_a_host_name_has_at_most_253_characters(tmp_path: Path) -> None:
    longest = f"{'a.' * 125}com"
    assert load(tmp_path, url_hosts=f'["{longest}"]').url_hosts == (longest,)
    assert "expected a host name" in error_of(tmp_path, url_hosts=f'["{longest}x"]')
