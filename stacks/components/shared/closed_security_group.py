"""A security group that lets nothing in."""

from collections.abc import Sequence
from typing import Final

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

Destination = ec2.CfnSecurityGroup.EgressProperty


def https(**destination: str) -> Destination:
    """Return a rule that allows HTTPS to one destination, named as in the rule's properties."""
    return Destination(
        ip_protocol="tcp", from_port=443, to_port=443, description="HTTPS", **destination
    )


EVERYWHERE: Final = (https(cidr_ip="0.0.0.0/0"), https(cidr_ipv6="::/0"))
# A group without a rule would let everything out: CDK's own rule that nothing matches.
_NOWHERE: Final = Destination(
    ip_protocol="icmp",
    from_port=252,
    to_port=86,
    cidr_ip="255.255.255.255/32",
    description="Nothing",
)


def closed_security_group(
    scope: Construct,
    construct_id: str,
    *,
    vpc_id: str,
    description: str,
    destinations: Sequence[Destination] = EVERYWHERE,
) -> ec2.CfnSecurityGroup:
    """Create a security group without ingress.

    L1: the L2 takes a network that was looked up.

    Args:
        scope: the construct's parent.
        construct_id: the construct's id.
        vpc_id: the network.
        description: of the group, in AWS's console.
        destinations: rules for the connections that it lets out.
    """
    return ec2.CfnSecurityGroup(
        scope,
        construct_id,
        group_description=description,
        vpc_id=vpc_id,
        security_group_ingress=[],
        security_group_egress=list(destinations) or [_NOWHERE],
    )
