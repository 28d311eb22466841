"""State machines that a test creates, runs and removes."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

Client = Callable[[str], Any]
ACCOUNT = "123456789012"
REGION = "us-east-1"
_TIMEOUT_SECONDS = 60.0
_numbers = itertools.count()


def arn(service: str, resource: str, *, region: str = REGION, account: str = ACCOUNT) -> str:
    return f"arn:aws:{service}:{region}:{account}:{resource}"


def allow(action: str, resource: str, **conditions: dict[str, str]) -> dict[str, Any]:
    """Return a statement of a role's policy."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
    return statement | ({"Condition": conditions} if conditions else {})


def task(resource: str, arguments: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return a Task state that ends its machine."""
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{resource}",
        "Arguments": arguments,
        "End": True,
        **members,
    }


class StateMachines:
    """Creates machines with a role of their own."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.states = client("stepfunctions")
        self._machines: list[str] = []
        self._roles: list[str] = []

    def role(self, *statements: dict[str, Any], trusts: str = "states.amazonaws.com") -> str:
        iam = self.client("iam")
        name = f"machine-test-{next(_numbers)}"
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": trusts},
            "Action": "sts:AssumeRole",
        }
        created = iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
        )
        self._roles.append(name)
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
            iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
        found: str = created["Role"]["Arn"]
        return found

    def create(
        self, states: dict[str, Any], role: str, *, language: str = "JSONata", **members: Any
    ) -> str:
        definition = {
            "QueryLanguage": language, "StartAt": next(iter(states)), "States": states, **members
        }  # fmt: skip
        created = self.states.create_state_machine(
            name=f"machine-test-{next(_numbers)}", roleArn=role, definition=json.dumps(definition)
        )
        machine: str = created["stateMachineArn"]
        self._machines.append(machine)
        return machine

    def start(self, machine: str, given: Any = None) -> str:
        started = self.states.start_execution(
            stateMachineArn=machine, input=json.dumps({} if given is None else given)
        )
        execution: str = started["executionArn"]
        return execution

    def ended(self, execution: str) -> dict[str, Any]:
        """Wait for the end of an execution."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.states.describe_execution(executionArn=execution)
            if found["status"] != "RUNNING":
                return found
            time.sleep(0.05)
        pytest.fail(f"{execution} still runs")

    def run(
        self,
        state: dict[str, Any],
        *statements: dict[str, Any],
        given: Any = None,
        language: str = "JSONata",
        **members: Any,
    ) -> dict[str, Any]:
        """Run a machine of one state with a role that has the given permissions."""
        machine = self.create({"Only": state}, self.role(*statements), language=language, **members)
        return self.ended(self.start(machine, given))

    def result(self, state: dict[str, Any], *statements: dict[str, Any], **options: Any) -> Any:
        """Return the output of a machine of one state, which must succeed."""
        execution = self.run(state, *statements, **options)
        assert execution["status"] == "SUCCEEDED", (execution.get("error"), execution.get("cause"))
        return json.loads(execution["output"])

    def remove(self) -> None:
        iam = self.client("iam")
        for machine in self._machines:
            self.states.delete_state_machine(stateMachineArn=machine)
        for name in self._roles:
            with suppress(ClientError):
                iam.delete_role_policy(RoleName=name, PolicyName="all")
            iam.delete_role(RoleName=name)


@pytest.fixture(scope="module")
def machines(client: Client) -> Iterator[StateMachines]:
    made = StateMachines(client)
    yield made
    made.remove()
