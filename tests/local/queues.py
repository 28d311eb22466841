"""Queues that receive the messages of topics and the events of rules."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

Client = Callable[[str], Any]

TOPICS: Final = "sns.amazonaws.com"
RULES: Final = "events.amazonaws.com"


class Queue:
    """A queue that services may send to.

    Attributes:
        arn: of the queue.
    """

    def __init__(self, client: Client, name: str, senders: Sequence[str]) -> None:
        self._client, self._sqs = client, client("sqs")
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        described = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        self.arn: str = described["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow", "Principal": {"Service": list(senders)},
            "Action": "sqs:SendMessage", "Resource": self.arn,
        }  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})

    def subscribe(self, topic_arn: str) -> str:
        """Receive a topic's messages from now on; return the ARN of the subscription."""
        subscribed: dict[str, str] = self._client("sns").subscribe(
            TopicArn=topic_arn, Protocol="sqs", Endpoint=self.arn
        )
        return subscribed["SubscriptionArn"]

    def receive(self, *, wait_seconds: int = 0) -> list[dict[str, Any]]:
        """Return the bodies of some messages that have arrived, and delete them.

        Args:
            wait_seconds: for the first message.
        """
        found = self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds
        ).get("Messages", [])
        for message in found:
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]

    def delete(self) -> None:
        """Delete the queue."""
        self._sqs.delete_queue(QueueUrl=self._url)


@contextmanager
def subscribed_queue(
    client: Client, name: str, *topic_arns: str, senders: Sequence[str] = (TOPICS,)
) -> Iterator[Queue]:
    """Yield a queue that receives the messages of topics, and delete it afterwards.

    Args:
        client: returns the client of a service.
        name: of the queue.
        topic_arns: the topics.
        senders: the services that may send to it.
    """
    queue = Queue(client, name, senders)
    subscriptions = [queue.subscribe(topic_arn) for topic_arn in topic_arns]
    try:
        yield queue
    finally:
        for subscription in subscriptions:
            client("sns").unsubscribe(SubscriptionArn=subscription)
        queue.delete()
