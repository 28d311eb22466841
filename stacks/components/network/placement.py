"""Where in a network a part of the stage runs, and what that requires of its role."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.components.shared.acknowledgement import acknowledge_resource
from stacks.settings.stage_network import Placeable

# "CreateModel API: execution role permissions" in docs.aws.amazon.com/sagemaker/latest/dg/
# sagemaker-roles.html; jobs require the same.
_OF_INTERFACES = (
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
)
_DESCRIBE_FOR_SAGEMAKER = (
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)
# docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
_DESCRIBE_FOR_LAMBDA = ("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets")
_CHANGE_FOR_LAMBDA = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:DeleteNetworkInterface",
    "ec2:UnassignPrivateIpAddresses",
)
_CREATE = "ec2:CreateNetworkInterface"


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Subnets and a security group.

    Attributes:
        subnet_ids: the subnets.
        subnet_arns: their ARNs, in the same order.
        security_group_id: of what runs there.
    """

    subnet_ids: tuple[str, ...]
    subnet_arns: tuple[str, ...]
    security_group_id: str

    @property
    def of_model(self) -> sagemaker.CfnModel.VpcConfigProperty:
        """The configuration of a model's containers."""
        return sagemaker.CfnModel.VpcConfigProperty(
            subnets=list(self.subnet_ids), security_group_ids=[self.security_group_id]
        )

    @property
    def of_job(self) -> dict[str, list[str]]:
        """The member VpcConfig of CreateTrainingJob."""
        return {"Subnets": list(self.subnet_ids), "SecurityGroupIds": [self.security_group_id]}

    def place_function(self, function: lambda_.Function) -> None:
        """Run a function in the network.

        On the L1: the L2 takes a network that was looked up, and attaches a policy of AWS.
        """
        resource = cast("lambda_.CfnFunction", function.node.default_child)
        resource.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
            subnet_ids=list(self.subnet_ids), security_group_ids=[self.security_group_id]
        )

    def allow_sagemaker(self, policy: iam.Policy) -> None:
        """Allow SageMaker to attach containers to the network."""
        interfaces = _arn(policy, "network-interface", "*")
        policy.add_statements(
            self._creation(policy),
            iam.PolicyStatement(actions=list(_OF_INTERFACES), resources=[interfaces]),
            iam.PolicyStatement(actions=list(_DESCRIBE_FOR_SAGEMAKER), resources=["*"]),
        )
        self._acknowledge(policy, interfaces)

    def allow_lambda(self, role: iam.Role) -> None:
        """Allow Lambda to attach the environments of a function to the network.

        Not to the function's own code: the credentials that Lambda gives it carry the function's
        ARN, those with which Lambda makes interfaces do not.
        """
        # AWS requires all resources of EC2 in the region for the deletion of an interface.
        everything = _arn(role, "*", "*")
        for statement in (
            self._creation(role),
            iam.PolicyStatement(actions=list(_CHANGE_FOR_LAMBDA), resources=[everything]),
            iam.PolicyStatement(actions=list(_DESCRIBE_FOR_LAMBDA), resources=["*"]),
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=[_CREATE, *_CHANGE_FOR_LAMBDA, *_DESCRIBE_FOR_LAMBDA],
                resources=["*"],
                conditions={"Null": {"lambda:SourceFunctionArn": "false"}},
            ),
        ):
            role.add_to_policy(statement)
        self._acknowledge(role, _arn(role, "network-interface", "*"))
        acknowledge_resource(
            role,
            everything,
            reason="Lambda's guide requires all resources of EC2 for the deletion of an interface; "
            "the function's own code is denied it",
        )

    def _creation(self, scope: Construct) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            actions=[_CREATE],
            resources=[
                *self.subnet_arns,
                _arn(scope, "security-group", self.security_group_id),
                _arn(scope, "network-interface", "*"),
            ],
        )

    def _acknowledge(self, construct: Construct, interfaces: str) -> None:
        acknowledge_resource(
            construct, interfaces, reason="AWS names the interfaces that it creates"
        )
        for arn in self.subnet_arns:
            if ":*:" in arn:
                acknowledge_resource(
                    construct, arn, reason="One subnet, which another account may share"
                )


Placements = Mapping[Placeable, Placement]


def _arn(scope: Construct, resource: str, name: str) -> str:
    return Stack.of(scope).format_arn(service="ec2", resource=resource, resource_name=name)
