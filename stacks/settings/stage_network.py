"""The settings of a stage's network."""

import ipaddress
from collections.abc import Sequence
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from stacks.settings.base import Entries, Settings, text
from stacks.settings.network import SubnetId, VpcId
from stacks.settings.serverless import ServingMode
from stacks.settings.unused import changed_settings, check_unused

PrefixListId = Annotated[
    str, text(r"pl-(?:[0-9a-f]{8}|[0-9a-f]{17})", "a prefix list's id such as pl-0a1b2c3d")
]
Block = Annotated[
    str, text(r"\d{1,3}(\.\d{1,3}){3}/\d{1,2}", "a range of addresses such as 10.0.0.0/20")
]
Zone = Annotated[
    str, text(r"[a-z]{2}(-[a-z]+)+-\d[a-z]", "an availability zone such as eu-central-1a")
]
Placeable = Literal["endpoint", "training", "functions"]

PLACEABLE: Final[tuple[Placeable, ...]] = get_args(Placeable)
# With which values of `vpc` a setting has an effect.
_USED_BY: Final = {
    "placed": ("own", "existing"),
    "s3_prefix_list_id": ("own", "existing"),
    "vpc_id": ("existing",),
    "subnet_ids": ("existing",),
    "address_range": ("own",),
    "availability_zones": ("own",),
}
# SageMaker requires two zones, also of an endpoint with one instance
# (docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html).
MIN_ZONES: Final = 2
MAX_ZONES: Final = 4  # the range is divided into four subnets
_MAX_SUBNETS: Final = 16  # of SageMaker's VpcConfig
_LARGEST_PREFIX, _SMALLEST_PREFIX = 24, 16


class NetworkSettings(Settings):
    """The network (VPC) that the endpoint, training jobs and the API's functions run in."""

    vpc: Literal["none", "own", "existing"] = Field(
        default="none",
        description="`none`: in the networks of SageMaker and Lambda, which need none of yours. "
        "`own`: in a network of the stage without internet access. `existing`: in `vpc_id` "
        "(docs/network.md). It cannot be changed from `own` to `existing` or back in one step.",
    )
    placed: Entries[Placeable] = Field(
        default=PLACEABLE,
        description="What runs in the network: the containers of the endpoint and of "
        "batch jobs (`endpoint`), training and tuning jobs (`training`), the functions of the API "
        "(`functions`).",
    )
    vpc_id: VpcId | None = Field(default=None, description="The existing network.")
    subnet_ids: Entries[SubnetId] = Field(
        default=(),
        description="Subnets of `vpc_id` in different availability zones, 2 to 16. They need a way "
        "out to S3 and, for functions, to the APIs of SageMaker, Systems Manager and X-Ray.",
    )
    address_range: Block = Field(
        default="10.0.0.0/20",
        description="IPv4 addresses of the stage's own network, a /16 to a /24.",
    )
    availability_zones: Entries[Zone] = Field(
        default=(),
        description="Zones of the stage's own network, 2 to 4. Empty: the first two of the region, "
        "which may lack Lambda or an instance type.",
    )
    s3_prefix_list_id: PrefixListId | None = Field(
        default=None,
        description="AWS's list of the addresses of S3 in the region, to which security groups "
        "are then limited (docs/network.md).",
    )

    @property
    def enabled(self) -> bool:
        """Whether anything of the stage runs in a network of the account."""
        return self.vpc != "none"

    @property
    def identity(self) -> str:
        """What cannot be changed while something runs in the network."""
        if self.vpc == "existing":
            return f"existing {self.vpc_id}"
        zones = ", ".join(self.availability_zones) or "first zones"
        return f"own {self.address_range} in {zones}"

    def places(self, part: Placeable) -> bool:
        """Return whether a part of the stage runs in the network."""
        return self.enabled and part in self.placed

    @model_validator(mode="after")
    def _check_unused(self) -> Self:
        check_unused("network", ("vpc", self.vpc), _USED_BY, changed_settings(self))
        return self

    @model_validator(mode="after")
    def _check_lists(self) -> Self:
        if not self.placed:
            raise ValueError(
                f"network.placed = []: expected at least one of {', '.join(PLACEABLE)}, or "
                'network.vpc = "none"'
            )
        for name in ("placed", "subnet_ids", "availability_zones"):
            _check_distinct(name, getattr(self, name))
        return self

    @model_validator(mode="after")
    def _check_existing(self) -> Self:
        if self.vpc != "existing":
            return self
        if self.vpc_id is None or not MIN_ZONES <= len(self.subnet_ids) <= _MAX_SUBNETS:
            raise ValueError(
                'network.vpc = "existing": expected vpc_id and 2 to 16 subnet_ids, in different '
                "availability zones"
            )
        return self

    @model_validator(mode="after")
    def _check_own(self) -> Self:
        try:
            prefix = ipaddress.IPv4Network(self.address_range).prefixlen
        except ValueError as error:
            raise ValueError(
                f"network.address_range = {self.address_range!r}: {error}; expected a range such "
                "as 10.0.0.0/20"
            ) from error
        if not _SMALLEST_PREFIX <= prefix <= _LARGEST_PREFIX:
            raise ValueError(
                f"network.address_range = {self.address_range!r}: expected a /16 to a /24: each "
                "subnet gets a quarter of it"
            )
        if self.availability_zones and not MIN_ZONES <= len(self.availability_zones) <= MAX_ZONES:
            raise ValueError(
                f"network.availability_zones has {len(self.availability_zones)}: expected 2 to 4, "
                "or none"
            )
        return self


def check_placement(
    network: NetworkSettings, *, mode: ServingMode, url_hosts: Sequence[str], region: str | None
) -> None:
    """Refuse to place what cannot run in the network.

    Args:
        network: the section.
        mode: as the setting `serving.mode`.
        url_hosts: as the setting `api.url_hosts`.
        region: of the stage, where it is set.

    Raises:
        ValueError: something cannot.
    """
    if network.places("endpoint") and mode == "serverless":
        raise ValueError(
            f"network.vpc = {network.vpc!r} places the endpoint, and serving.mode = 'serverless': "
            "Serverless Inference does not run in a network of yours, expected network.placed "
            "without endpoint, or mode instances"
        )
    if network.vpc == "own" and network.places("functions") and url_hosts:
        raise ValueError(
            "api.url_hosts with network.vpc = 'own': the function that fetches images by URL would "
            "have no internet access, expected url_hosts = [], network.placed without functions, "
            "or an existing network with a way out"
        )
    for zone in network.availability_zones:
        if region is not None and zone[:-1] != region:
            raise ValueError(
                f"network.availability_zones names {zone!r}: expected zones of region = {region!r}"
            )


def _check_distinct(name: str, values: Sequence[str]) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"network.{name} names one twice: expected each once")
