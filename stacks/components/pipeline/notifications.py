"""Messages when the pipeline fails or waits for a person."""

from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_codestarnotifications as notifications
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

# docs.aws.amazon.com/dtconsole/latest/userguide/concepts.html#events-ref-pipeline
_EVENTS = [
    "codepipeline-pipeline-pipeline-execution-failed",
    "codepipeline-pipeline-manual-approval-needed",
]


class PipelineNotifications(Construct):
    """An encrypted topic with an optional e-mail address, and the rule that publishes to it.

    Attributes:
        topic: the topic.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline: codepipeline.Pipeline,
        key: kms.Key,
        address: str | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        # The rule's target: CDK allows the service to publish, and to use the key.
        notifications.NotificationRule(
            self, "Rule", source=pipeline, events=_EVENTS, targets=[self.topic]
        )
        if address is not None:
            self.topic.add_subscription(subscriptions.EmailSubscription(address))
