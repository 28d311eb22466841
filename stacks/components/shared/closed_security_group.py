"""A security group that lets nothing in."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct


def closed_security_group(
    scope: Construct, construct_id: str, *, vpc_id: str, description: str
) -> ec2.CfnSecurityGroup:
    """Create a security group without ingress, whose machines may open HTTPS connections.

    L1: the L2 takes a network that was looked up.

    Args:
        scope: the construct's parent.
        construct_id: the construct's id.
        vpc_id: the network.
        description: of the group, in AWS's console.
    """
    return ec2.CfnSecurityGroup(
        scope,
        construct_id,
        group_description=description,
        vpc_id=vpc_id,
        security_group_ingress=[],
        security_group_egress=[_https(cidr_ip="0.0.0.0/0"), _https(cidr_ipv6="::/0")],
    )


def _https(**addresses: str) -> ec2.CfnSecurityGroup.EgressProperty:
    return ec2.CfnSecurityGroup.EgressProperty(
        ip_protocol="tcp", from_port=443, to_port=443, description="HTTPS", **addresses
    )
