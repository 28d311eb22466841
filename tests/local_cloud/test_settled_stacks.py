"""DescribeStacks of the local cloud, before a stand-in for MiniStack."""

import asyncio
from collections.abc import Sequence

import pytest

from local_cloud import settled_stacks
from local_cloud.asgi import Message, Receive, Send
from local_cloud.settled_stacks import SettledStacks

CLOUDFORMATION = b"AWS4-HMAC-SHA256 Credential=1/20261126/us-east-1/cloudformation/aws4_request"
ONE_STACK = b"Action=DescribeStacks&StackName=web"


class Stacks:
    """Responds to each request with the next of the stack's states, the last for ever."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.bodies: list[bytes] = []

    async def __call__(self, _scope: Message, receive: Receive, send: Send) -> None:
        self.bodies.append((await receive())["body"])
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        body = f"<StackStatus>{state}</StackStatus>".encode()
        await send({"type": "http.response.body", "body": body})


def described(stacks: Stacks, body: bytes = ONE_STACK) -> str:
    """Send a request in two parts; return the state in the response."""
    parts = iter((body[:9], body[9:]))
    sent: list[Message] = []

    async def receive() -> Message:
        part = next(parts)
        return {"type": "http.request", "body": part, "more_body": part == body[:9]}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [(b"authorization", CLOUDFORMATION)]}
    asyncio.run(SettledStacks(stacks)(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    return str(sent[1]["body"].decode().split(">")[1].split("<")[0])


@pytest.mark.parametrize(
    "states",
    [
        ("CREATE_IN_PROGRESS", "CREATE_COMPLETE"),
        ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"),
        ("ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"),
        ("DELETE_IN_PROGRESS", "DELETE_FAILED"),
    ],
)
def test_the_response_waits_until_the_stack_has_settled(states: Sequence[str]) -> None:
    stacks = Stacks(*states)
    assert described(stacks) == states[-1]
    assert stacks.bodies == [ONE_STACK] * len(states)


@pytest.mark.parametrize("state", ["CREATE_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_what_waits_for_a_person_is_told_at_once(state: str) -> None:
    stacks = Stacks(state, "CREATE_IN_PROGRESS")
    assert described(stacks) == state


@pytest.mark.parametrize(
    "body", [b"Action=DescribeStacks", b"Action=DescribeStackEvents&StackName=web"]
)
def test_other_operations_do_not_wait(body: bytes) -> None:
    assert described(Stacks("CREATE_IN_PROGRESS", "CREATE_COMPLETE"), body) == "CREATE_IN_PROGRESS"


def test_what_takes_longer_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settled_stacks, "MAX_WAIT_SECONDS", 0.3)
    stacks = Stacks("CREATE_IN_PROGRESS")
    assert described(stacks) == "CREATE_IN_PROGRESS"
    assert len(stacks.bodies) > 1
