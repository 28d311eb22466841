"""The KMS key of a stage and the services that may use it."""

from collections.abc import Sequence

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

# Services that publish to an encrypted SNS topic: without these two actions CloudWatch silently
# drops an alarm's message (docs.aws.amazon.com/sns/latest/dg/sns-key-management.html).
_SENDERS = ("cloudwatch.amazonaws.com", "events.amazonaws.com", "budgets.amazonaws.com")
_SENDER_ACTIONS = ["kms:Decrypt", "kms:GenerateDataKey*"]
_LOGS_ACTIONS = [
    "kms:Encrypt*",
    "kms:Decrypt*",
    "kms:ReEncrypt*",
    "kms:GenerateDataKey*",
    "kms:Describe*",
]


class EncryptionKey(Construct):
    """A key with rotation that CloudWatch Logs and the senders of alarms may use.

    The policy contains services and the account, but no resource of a later stack, which would
    be a cycle. CDK's alarm action and log group do not add to the policy.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        removal_policy: RemovalPolicy,
        description: str = "Encrypts what this Whippet stage stores, logs and sends",
        senders: Sequence[str] = _SENDERS,
    ) -> None:
        super().__init__(scope, construct_id)
        self.key = kms.Key(
            self,
            "Key",
            description=description,
            enable_key_rotation=True,
            removal_policy=removal_policy,
            pending_window=Duration.days(7 if removal_policy == RemovalPolicy.DESTROY else 30),
        )
        stack = Stack.of(self)
        if senders:
            self._allow_services(
                senders, _SENDER_ACTIONS, {"StringEquals": {"aws:SourceAccount": stack.account}}
            )
        # CloudWatch Logs sends the log group's ARN as encryption context:
        # docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        groups = stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name="*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        self._allow_services(
            [f"logs.{stack.region}.amazonaws.com"],
            _LOGS_ACTIONS,
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        )

    def _allow_services(
        self, services: Sequence[str], actions: list[str], conditions: dict[str, dict[str, str]]
    ) -> None:
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(service) for service in services],
                actions=actions,
                resources=["*"],  # in a key's policy: this key
                conditions=conditions,
            )
        )
