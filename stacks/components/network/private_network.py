"""A network without internet access."""

import ipaddress
from collections.abc import Sequence

from aws_cdk import Fn
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from stacks.components.shared.encrypted_log_group import encrypted_log_group
from stacks.components.shared.permissions import service_of_this_account
from stacks.settings.stage_network import MIN_ZONES

# Also of a network of fewer zones, so that a subnet's range depends on its place alone.
_SUBNETS_IN_POWERS_OF_TWO = 2


class PrivateNetwork(Construct):
    """A VPC with a subnet in each zone and no gateway to the internet; its traffic is logged.

    L1: the L2 needs a custom resource in Node, which the local cloud cannot run.

    Attributes:
        vpc_id: the network.
        subnet_ids: a subnet in each zone.
        route_table_id: of all subnets.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        address_range: str,
        zones: Sequence[str],
        key: kms.IKey | None,
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        vpc = ec2.CfnVPC(
            self,
            "Vpc",
            cidr_block=address_range,
            # Interface endpoints have the names of the services' public addresses.
            enable_dns_support=True,
            enable_dns_hostnames=True,
        )
        self.vpc_id = vpc.attr_vpc_id
        table = ec2.CfnRouteTable(self, "Routes", vpc_id=self.vpc_id)
        self.route_table_id = table.attr_route_table_id
        chosen = zones or [Fn.select(index, Fn.get_azs()) for index in range(MIN_ZONES)]
        ranges = ipaddress.IPv4Network(address_range).subnets(_SUBNETS_IN_POWERS_OF_TWO)
        self.subnet_ids = tuple(
            self._subnet(index, zone, str(block))
            for index, (zone, block) in enumerate(zip(chosen, ranges, strict=False))
        )
        self._log(key, log_retention_days)

    def _subnet(self, index: int, zone: str, block: str) -> str:
        subnet = ec2.CfnSubnet(
            self,
            f"Zone{index}Subnet",
            vpc_id=self.vpc_id,
            availability_zone=zone,
            cidr_block=block,
            map_public_ip_on_launch=False,
        )
        ec2.CfnSubnetRouteTableAssociation(
            self,
            f"Zone{index}Routes",
            subnet_id=subnet.attr_subnet_id,
            route_table_id=self.route_table_id,
        )
        return subnet.attr_subnet_id

    def _log(self, key: kms.IKey | None, retention_days: int) -> None:
        group = encrypted_log_group(self, "FlowLogs", key=key, retention_days=retention_days)
        role = iam.Role(
            self,
            "FlowLogsRole",
            description="Writes the flow logs of the stage's network",
            assumed_by=service_of_this_account("vpc-flow-logs.amazonaws.com", self),
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                ],
                resources=[group.log_group_arn],
            )
        )
        log = ec2.CfnFlowLog(
            self,
            "FlowLog",
            resource_id=self.vpc_id,
            resource_type="VPC",
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_group_name=group.log_group_name,
            deliver_logs_permission_arn=role.role_arn,
        )
        log.node.add_dependency(role)
