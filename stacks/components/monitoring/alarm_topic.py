"""The SNS topic of the alarms."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct


class AlarmTopic(Construct):
    """A topic that CloudWatch may publish to, with an optional email subscription.

    It is encrypted with the stage's key, if there is one, and otherwise not: the policy of SNS's
    own key (alias/aws/sns) cannot be changed, and CloudWatch could not publish with it.

    Attributes:
        topic: the topic.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey | None,
        alarm_address: str | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        # enforce_ssl creates a topic policy, which replaces SNS's default policy and its permission
        # for the account's alarms to publish. CDK's alarm action does not add this permission.
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AllowAlarmsOfThisAccount",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        if alarm_address is not None:
            self.topic.add_subscription(subscriptions.EmailSubscription(alarm_address))
