"""The SNS topic of the training workflow."""

from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct


class NotificationTopic(Construct):
    """A topic with an optional e-mail subscription, encrypted if the stage has a key.

    The state machine publishes with its role, so that neither the topic's policy nor the key's
    names a service.

    Attributes:
        topic: the topic.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, key: kms.IKey | None, email: str | None
    ) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        if email is not None:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))
