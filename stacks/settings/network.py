"""The places of machines in an account's networks."""

from typing import Annotated

from stacks.settings.base import text

SubnetId = Annotated[
    str, text(r"subnet-(?:[0-9a-f]{8}|[0-9a-f]{17})", "a subnet's id such as subnet-0a1b2c3d")
]
VpcId = Annotated[
    str, text(r"vpc-(?:[0-9a-f]{8}|[0-9a-f]{17})", "a network's id such as vpc-0a1b2c3d")
]


def check_network(section: str, vpc_id: str | None, subnet_id: str | None) -> None:
    """Check that a network and its subnet are given together.

    A security group needs the network, and nothing is looked up while templates are written.

    Raises:
        ValueError: only one of them is given.
    """
    if (vpc_id is None) != (subnet_id is None):
        raise ValueError(f"{section}.vpc_id and {section}.subnet_id: expected both or neither")
