"""The settings of the proxy function and the REST API."""

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stacks.settings.base import Entries, RetentionDays, Settings, text
from stacks.settings.host_names import HOST_LABEL, HOST_NAME, MAX_HOST_NAME_CHARACTERS
from stacks.settings.schedule import ScheduleEntry

_MAX_PORT = 65_535
_DEFAULT_PORTS = {"http": 80, "https": 443}
# The proxy with an image of 25 MB takes 73 MB, as measured, and Lambda's runtime some more. With
# less memory the function has too little CPU power to encrypt the image again in time.
_MIN_MEMORY_MB_WITH_UPLOADS = 256

MAX_UPLOAD_MB = 25
"""InvokeEndpoint's limit of a request to instances."""

Origin = Annotated[
    str,
    text(
        rf"https?://{HOST_LABEL}(\.{HOST_LABEL})*(:[1-9][0-9]*)?",
        "one origin such as https://app.example.com",
    ),
    Field(max_length=MAX_HOST_NAME_CHARACTERS),
]
AddressRange = Annotated[
    str, text(r"[0-9a-f.:]+/\d{1,3}", "an address range such as 203.0.113.0/24")
]
HostName = Annotated[
    str,
    text(
        rf"(\*\.)?{HOST_NAME}",
        "a host name such as images.example.com, or *.example.com for all below it",
    ),
    Field(max_length=MAX_HOST_NAME_CHARACTERS),
]


class ConcurrencySchedule(ScheduleEntry):
    """From a time of day on, how many instances of the proxy are kept warm."""

    schedule = "api.provisioned_concurrency_schedule"

    provisioned_concurrency: int = Field(
        ge=0, le=1000, description="Instances that are kept warm from then on."
    )


class ApiSettings(Settings):
    """The proxy function and the REST API in front of it."""

    architecture: Literal["arm64", "x86_64"] = Field(
        default="arm64", description="Processors of the proxy function."
    )
    memory_mb: int = Field(
        default=512,
        ge=128,
        le=10_240,
        description="Memory of the proxy function; its CPU power grows with it.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe messages that the proxy logs."
    )
    provisioned_concurrency: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Instances of the proxy that are kept warm. A new account has a concurrency of "
        "10, which leaves none for this.",
    )
    provisioned_concurrency_schedule: Entries[ConcurrencySchedule] = Field(
        default=(), description="Other values of `provisioned_concurrency` by time of day."
    )
    reserved_concurrency: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None,
        description="Concurrency that is reserved for the proxy and that it cannot exceed. Not "
        "set: the proxy shares the account's concurrency without a limit of its own.",
    )
    endpoint_read_timeout_seconds: Annotated[int, Field(ge=2, le=18)] | None = Field(
        default=None,
        description="How long the proxy waits for the endpoint's response. After a timeout it "
        "refuses requests for 15 to 25 seconds. The model server's deadline is a second less. "
        "Not set: 4, or 18 with `serving.mode` = `serverless`, where a request may wait for the "
        "start of a container.",
    )
    throttle_requests_per_second: float = Field(
        default=10, ge=0.1, le=10_000, description="Sustained rate of requests with a key."
    )
    throttle_burst_requests: int = Field(
        default=20, ge=1, le=5000, description="Requests with a key that may come at once."
    )
    quota_requests_per_day: int = Field(
        default=10_000, ge=1, le=100_000_000, description="Requests with a key in a day."
    )
    health_requests_per_second: float = Field(
        default=2,
        ge=0.1,
        le=10_000,
        description="Sustained rate of `GET /health`, which needs no key.",
    )
    health_burst_requests: int = Field(
        default=5, ge=1, le=5000, description="Requests of `GET /health` that may come at once."
    )
    access_log_retention_days: RetentionDays = Field(
        default=30, description="How long the access log of the API is kept."
    )
    manage_account_logging_role: bool = Field(
        default=True,
        description="Whether the stage sets the role with which API Gateway writes logs. There is "
        "one in each account and region: `true` in one stage only.",
    )
    cors_allowed_origin: Origin | None = Field(
        default=None,
        description="Origin of another page whose scripts may call the API. Not set: none may.",
    )
    firewall_enabled: bool = Field(
        default=False,
        description="Whether WAF protects the API. It is billed by month, rule and request.",
    )
    # 10 is the minimum of WAF's rate-based rules.
    firewall_requests_per_minute_per_address: int = Field(
        default=1200,
        ge=10,
        le=2_000_000_000,
        description="Rate above which the firewall blocks an IP address.",
    )
    allowed_address_ranges: Entries[AddressRange] = Field(
        default=(),
        description="Only these addresses may call the API; the page cannot be enabled then. "
        "Empty: everyone with a key may.",
    )
    url_hosts: Entries[HostName] = Field(
        default=(),
        description="Hosts from which an image may be fetched by its `https` URL. Empty: requests "
        "with a URL are refused.",
    )

    uploads_enabled: bool = Field(
        default=False,
        description="Whether images above the 4 MiB of a request may be uploaded to a bucket of "
        "the stage and classified from there (`POST /uploads`).",
    )
    max_upload_mb: int = Field(
        default=MAX_UPLOAD_MB,
        ge=5,
        le=MAX_UPLOAD_MB,
        description="The largest image that may be uploaded, in millions of bytes. The endpoint "
        "accepts requests of this size too.",
    )

    @property
    def max_upload_bytes(self) -> int:
        """The largest image that may be uploaded."""
        return self.max_upload_mb * 1_000_000

    @property
    def max_provisioned_concurrency(self) -> int:
        """The maximum of `provisioned_concurrency` and its schedule."""
        scheduled = (each.provisioned_concurrency for each in self.provisioned_concurrency_schedule)
        return max((self.provisioned_concurrency, *scheduled))

    @model_validator(mode="after")
    def _check_concurrency(self) -> Self:
        provisioned = self.max_provisioned_concurrency
        if self.reserved_concurrency is not None and self.reserved_concurrency < provisioned:
            raise ValueError(
                f"api.reserved_concurrency = {self.reserved_concurrency}: expected at least "
                f"{provisioned}, the maximum of api.provisioned_concurrency and its schedule"
            )
        return self

    @model_validator(mode="after")
    def _check_rates(self) -> Self:
        throttle = self.throttle_requests_per_second
        if self.health_requests_per_second > throttle:
            raise ValueError(
                f"api.health_requests_per_second = {self.health_requests_per_second:g}: "
                f"expected at most api.throttle_requests_per_second = {throttle:g}: /health needs "
                "no key, and must not take more of the account's concurrency than requests with "
                "a key"
            )
        by_address = self.firewall_requests_per_minute_per_address
        if self.firewall_enabled and by_address < 60 * throttle:
            raise ValueError(
                f"api.firewall_requests_per_minute_per_address = {by_address}: expected at least "
                f"{60 * throttle:g}, 60 times api.throttle_requests_per_second: the firewall "
                "would block a caller who keeps to the limits of the key"
            )
        return self

    @model_validator(mode="after")
    def _check_origin(self) -> Self:
        origin = self.cors_allowed_origin
        if origin is None:
            return self
        scheme, _, rest = origin.partition("://")
        host, colon, port = rest.partition(":")
        if colon and int(port) == _DEFAULT_PORTS[scheme]:
            raise ValueError(
                f"api.cors_allowed_origin = {origin!r}: browsers leave out the default port, so "
                f"no page has this origin, expected {scheme}://{host}"
            )
        if colon and int(port) > _MAX_PORT:
            raise ValueError(
                f"api.cors_allowed_origin = {origin!r}: expected a port up to {_MAX_PORT}"
            )
        return self

    @model_validator(mode="after")
    def _check_uploads(self) -> Self:
        if not self.uploads_enabled and self.max_upload_mb != MAX_UPLOAD_MB:
            raise ValueError(
                f"api.max_upload_mb = {self.max_upload_mb} has no effect without uploads: expected "
                "api.uploads_enabled = true, or no max_upload_mb"
            )
        if self.uploads_enabled and self.memory_mb < _MIN_MEMORY_MB_WITH_UPLOADS:
            raise ValueError(
                f"api.memory_mb = {self.memory_mb}: expected at least "
                f"{_MIN_MEMORY_MB_WITH_UPLOADS} with api.uploads_enabled = true: the proxy holds a "
                "whole image in memory"
            )
        return self

    @model_validator(mode="after")
    def _check_address_ranges(self) -> Self:
        for address_range in self.allowed_address_ranges:
            try:
                ipaddress.ip_network(address_range)
            except ValueError as error:
                raise ValueError(
                    f"api.allowed_address_ranges names {address_range!r}: {error}; expected a "
                    "range such as 203.0.113.0/24 or 2001:db8::/32"
                ) from error
        return self
