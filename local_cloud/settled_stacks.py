"""Lets DescribeStacks wait for the stack, because the CDK CLI polls only every five seconds."""

import asyncio
import re
import time
from typing import Final
from urllib.parse import parse_qs

from local_cloud.asgi import Application, Message, Receive, Send, read_body

MAX_WAIT_SECONDS: Final = 4.0
_POLL_SECONDS = 0.1
_SIGNED_FOR_CLOUDFORMATION = re.compile(rb"Credential=[^/]+/[^/]+/[^/]+/cloudformation/")
# REVIEW_IN_PROGRESS lasts until a change set is executed.
_IN_PROGRESS = re.compile(rb"<StackStatus>(CREATE|UPDATE|DELETE|ROLLBACK)\w*_IN_PROGRESS<")


class SettledStacks:
    """Delays the response to DescribeStacks of one stack while an operation on it is in progress.

    Most operations of the local cloud take less than a second. Without this, each stack of a
    deployment would take five seconds, until the CLI polls again. After `MAX_WAIT_SECONDS` the
    response contains the current status.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http" or not _is_for_cloudformation(scope):
            await self._application(scope, receive, send)
            return
        body = await read_body(receive)
        deadline = time.monotonic() + (MAX_WAIT_SECONDS if _describes_one_stack(body) else 0)
        while True:
            sent = await self._respond(scope, body)
            content = b"".join(message.get("body", b"") for message in sent)
            if time.monotonic() >= deadline or not _IN_PROGRESS.search(content):
                break
            await asyncio.sleep(_POLL_SECONDS)
        for message in sent:
            await send(message)

    async def _respond(self, scope: Message, body: bytes) -> list[Message]:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._application(dict(scope), receive, send)
        return sent


def _is_for_cloudformation(scope: Message) -> bool:
    headers = dict(scope["headers"])
    return _SIGNED_FOR_CLOUDFORMATION.search(headers.get(b"authorization", b"")) is not None


def _describes_one_stack(body: bytes) -> bool:
    parameters = parse_qs(body.decode("latin-1"))
    return parameters.get("Action") == ["DescribeStacks"] and "StackName" in parameters
