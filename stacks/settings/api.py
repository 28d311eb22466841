"""The settings of the proxy function and the REST API, and what they must have in common."""

import ipaddress
from dataclasses import dataclass

from stacks.errors import SettingsError
from stacks.settings.reader import (
    choice,
    flag,
    integer,
    number,
    optional_integer,
    optional_text,
    retention_days,
    tables,
    text,
    texts,
)

_FIELD = "[0-9A-Z*,/#-]+"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


@dataclass(frozen=True, kw_only=True)
class ConcurrencySchedule:
    """From when on how many instances of the proxy are kept warm.

    `cron` has AWS's six fields (minutes, hours, day of month, month, day of week, year), read in
    `time_zone`. A number alone, not a range: a day's load is known by the clock or not at all.
    """

    cron: str = text(
        rf"{_FIELD} {_FIELD} (\? {_FIELD} {_FIELD}|{_FIELD} {_FIELD} \?) {_FIELD}",
        'six fields such as "0 7 ? * MON-FRI *", one of the two days being ?',
    )
    time_zone: str = text(
        r"[A-Za-z]+(/[A-Za-z0-9_+-]+)*", "a time zone such as UTC or Europe/Berlin"
    )
    provisioned_concurrency: int = integer(0, 1000)


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """The proxy function and the REST API before it.

    Absent, `reserved_concurrency` reserves nothing and caps nothing. Without `url_hosts` no
    picture is fetched by its address. Without `allowed_address_ranges` everyone may call who has
    a key; with them nobody else's requests are let in, a page behind CloudFront included, since
    the API sees CloudFront's address.
    """

    architecture: str = choice("arm64", "x86_64")
    memory_mb: int = integer(128, 10_240)
    log_level: str = choice("DEBUG", "INFO", "WARNING", "ERROR")
    provisioned_concurrency: int = integer(0, 1000)
    provisioned_concurrency_schedule: tuple[ConcurrencySchedule, ...] = tables(ConcurrencySchedule)
    reserved_concurrency: int | None = optional_integer(1, 10_000)
    throttle_requests_per_second: float = number(0.1, 10_000)
    throttle_burst_requests: int = integer(1, 5000)
    quota_requests_per_day: int = integer(1, 100_000_000)
    health_requests_per_second: float = number(0.1, 10_000)
    health_burst_requests: int = integer(1, 5000)
    access_log_retention_days: int = retention_days()
    manage_account_logging_role: bool = flag()
    cors_allowed_origin: str | None = optional_text(
        r"https?://[a-z0-9.-]+(:\d+)?", "one origin such as https://app.example.com"
    )
    firewall_enabled: bool = flag()
    # The least that WAF's rate-based rules take is 10.
    firewall_requests_per_minute_per_address: int = integer(10, 2_000_000_000)
    allowed_address_ranges: tuple[str, ...] = texts(
        r"[0-9a-f.:]+/\d{1,3}", "address ranges such as 203.0.113.0/24"
    )
    url_hosts: tuple[str, ...] = texts(
        rf"(\*\.)?({_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?",
        "host names such as images.example.com, or *.example.com for all below it",
    )

    @property
    def largest_provisioned_concurrency(self) -> int:
        """The most that is provisioned at any time of the day."""
        scheduled = (each.provisioned_concurrency for each in self.provisioned_concurrency_schedule)
        return max((self.provisioned_concurrency, *scheduled))


def check_api(api: ApiSettings, *, file: str) -> None:
    """Check what one setting alone cannot show.

    Args:
        api: the section.
        file: the file's name, for errors.

    Raises:
        SettingsError: two settings contradict each other, or an address range is none.
    """
    _check_concurrency(api, file)
    _check_limits(api, file)
    for address_range in api.allowed_address_ranges:
        _check_range(address_range, file)


def _check_concurrency(api: ApiSettings, file: str) -> None:
    largest = api.largest_provisioned_concurrency
    if api.reserved_concurrency is not None and api.reserved_concurrency < largest:
        raise SettingsError(
            f"{file}: api.reserved_concurrency = {api.reserved_concurrency}: expected at least "
            f"{largest}, which api.provisioned_concurrency and its schedule ask for at most"
        )


def _check_limits(api: ApiSettings, file: str) -> None:
    throttle = api.throttle_requests_per_second
    if api.health_requests_per_second > throttle:
        raise SettingsError(
            f"{file}: api.health_requests_per_second = {api.health_requests_per_second:g}: "
            f"expected at most api.throttle_requests_per_second = {throttle:g}: who asks for "
            "health needs no key, and must not take more of the proxy than those who have one"
        )
    by_address = api.firewall_requests_per_minute_per_address
    if api.firewall_enabled and by_address < 60 * throttle:
        raise SettingsError(
            f"{file}: api.firewall_requests_per_minute_per_address = {by_address}: expected at "
            f"least {60 * throttle:g}, 60 times api.throttle_requests_per_second: the firewall "
            "would block a caller who keeps to the limits of the key"
        )


def _check_range(address_range: str, file: str) -> None:
    try:
        ipaddress.ip_network(address_range)
    except ValueError as error:
        raise SettingsError(
            f"{file}: api.allowed_address_ranges names {address_range!r}: {error}; expected a "
            "range such as 203.0.113.0/24 or 2001:db8::/32"
        ) from error
