"""The security groups of what runs in a network."""

from collections.abc import Sequence

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from stacks.components.shared.closed_security_group import (
    EVERYWHERE,
    Destination,
    closed_security_group,
    https,
)
from stacks.settings.stage_network import NetworkSettings

_ALL_PROTOCOLS = "-1"


class SecurityGroups(Construct):
    """Lets out what a part of the stage needs, and lets in nothing from outside of the stage."""

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: NetworkSettings, vpc_id: str
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._vpc_id = vpc_id

    def endpoint(self) -> str:
        """Create the group of the model's containers and return its id.

        Requests reach them by SageMaker's own network.
        """
        return self._group("Endpoint", "Model containers: HTTPS to S3", self._s3()).attr_group_id

    def training(self) -> str:
        """Create the group of the machines of jobs, which share their work; return its id.

        All protocols among them: the encryption of their traffic is one of its own
        (docs.aws.amazon.com/sagemaker/latest/dg/train-encrypt.html).
        """
        group = self._group("Training", "Training jobs: HTTPS to S3, each other", self._s3())
        # Not in the group itself, which would be a cycle.
        ec2.CfnSecurityGroupIngress(
            self,
            "FromTraining",
            group_id=group.attr_group_id,
            source_security_group_id=group.attr_group_id,
            ip_protocol=_ALL_PROTOCOLS,
            description="Machines of jobs",
        )
        ec2.CfnSecurityGroupEgress(
            self,
            "ToTraining",
            group_id=group.attr_group_id,
            destination_security_group_id=group.attr_group_id,
            ip_protocol=_ALL_PROTOCOLS,
            description="Machines of jobs",
        )
        return group.attr_group_id

    def functions(self, interfaces_group_id: str | None, *, uploads: bool) -> str:
        """Create the group of the API's functions and return its id.

        Args:
            interfaces_group_id: group of the only addresses that they may connect to; None: any.
            uploads: whether they may connect to S3, too.
        """
        if interfaces_group_id is None:
            return self._group("Functions", "Functions: HTTPS", EVERYWHERE).attr_group_id
        destinations = [
            https(destination_security_group_id=interfaces_group_id),
            *(self._s3() if uploads else ()),
        ]
        group = self._group("Functions", "Functions: HTTPS to endpoints", destinations)
        ec2.CfnSecurityGroupIngress(
            self,
            "FromFunctions",
            group_id=interfaces_group_id,
            source_security_group_id=group.attr_group_id,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            description="HTTPS of the functions",
        )
        return group.attr_group_id

    def interfaces(self) -> str:
        """Create the group of the interface endpoints, which connect to nothing; return its id."""
        return self._group("Interfaces", "Endpoints of AWS services", []).attr_group_id

    def _s3(self) -> Sequence[Destination]:
        if self._settings.s3_prefix_list_id is None:
            # Its addresses are only known by the list. In the stage's own network, no other
            # address can be reached.
            return EVERYWHERE
        return [https(destination_prefix_list_id=self._settings.s3_prefix_list_id)]

    def _group(
        self,
        construct_id: str,
        description: str,
        destinations: Sequence[Destination],
    ) -> ec2.CfnSecurityGroup:
        return closed_security_group(
            self,
            construct_id,
            vpc_id=self._vpc_id,
            description=description,
            destinations=destinations,
        )
