"""Ends machines of the EC2 trainer that could not end themselves."""

from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.components.shared.acknowledgement import acknowledge, acknowledge_resource
from stacks.names import EC2_TRAINER_TAG

_CODE = Path(__file__).resolve().parents[3] / "lambda_src" / "trainer_time_limit"


class TimeLimit(Construct):
    """A function that looks every ten minutes for machines that are too old.

    A function, because EventBridge Scheduler can end instances by their ids but not by a tag.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        trainer: str,
        limit_minutes: int,
        instances_arn: str,
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        function = lambda_.Function(
            self,
            "Function",
            description="Ends machines of the EC2 trainer that run too long",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            handler="handler.handle",
            code=lambda_.Code.from_asset(str(_CODE), exclude=["__pycache__", "**/*.pyc"]),
            environment={"TRAINER": trainer, "LIMIT_MINUTES": str(limit_minutes)},
            timeout=Duration.seconds(30),
            memory_size=256,
            role=self._role(trainer, instances_arn, log_group),
            log_group=log_group,
        )
        acknowledge(
            function, "L1", reason="Python 3.13, like the proxy; Lambda supports it until 2029"
        )
        rule = events.CfnRule(
            self,
            "Rule",
            description=f"Looks for machines of {trainer} that run too long",
            schedule_expression="rate(10 minutes)",
            targets=[
                events.CfnRule.TargetProperty(arn=function.function_arn, id="EndOldInstances")
            ],
        )
        function.add_permission(
            "Schedule",
            principal=iam.ServicePrincipal("events.amazonaws.com"),
            source_arn=rule.attr_arn,
        )

    def _role(self, trainer: str, instances_arn: str, log_group: logs.ILogGroup) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            description="Ends machines of the EC2 trainer",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        statements = [
            iam.PolicyStatement(actions=["ec2:DescribeInstances"], resources=["*"]),
            iam.PolicyStatement(
                actions=["ec2:TerminateInstances"],
                resources=[instances_arn],
                conditions={"StringEquals": {f"ec2:ResourceTag/{EC2_TRAINER_TAG}": trainer}},
            ),
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log_group.log_group_arn],
            ),
        ]
        for statement in statements:
            role.add_to_policy(statement)
        acknowledge(
            role,
            "IAM5[Resource::*]",
            reason="ec2:DescribeInstances does not support resource-level permissions",
        )
        acknowledge_resource(
            role, instances_arn, reason="Instances are not known before they run; a tag limits them"
        )
        return role
