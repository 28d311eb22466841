"""Runs the states of a JSONata state machine, with a stand-in for the APIs that it calls."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.stacks.assembly import Json
from tests.stacks.state_expressions import CONTEXT, evaluate

# Takes the name of an integration, such as "aws-sdk:s3:getObject", and the arguments; returns the
# result, or a failure: an object with Error and Cause.
Respond = Callable[[str, Json], Json]
INTEGRATIONS = "arn:<AWS::Partition>:states:::"


@dataclass
class Execution:
    """The calls of an execution, the seconds that it waited, and its end."""

    calls: list[tuple[str, Json]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    result: Any = None
    error: str | None = None
    cause: str | None = None

    def requests(self, integration: str) -> list[Json]:
        """Return the arguments of the calls of one integration."""
        return [arguments for name, arguments in self.calls if name == integration]


def execute(definition: Json, given: Any, respond: Respond, name: str = "7d1e") -> Execution:
    """Run a definition of Pass, Choice, Wait, Fail and Task states to its end, without retries.

    Args:
        definition: in JSONata throughout.
        given: the input of the execution.
        respond: the APIs.
        name: of the execution.
    """
    assert definition["QueryLanguage"] == "JSONata"
    execution, state_name, variables = Execution(), definition["StartAt"], dict[str, Any]()
    for step in itertools.count():
        assert step < 100, "this never ends"
        state = definition["States"][state_name]
        context = {
            "Execution": {**CONTEXT["Execution"], "Name": name},
            "State": {"Name": state_name, "EnteredTime": f"09:00:{step}", "RetryCount": 0},
        }
        chosen, states, output = state, dict[str, Any](), given

        def compute(value: Any, states: Json) -> Any:
            return evaluate(value, given, context, variables, states)  # noqa: B023 - used in the step

        if state["Type"] == "Choice":
            matching = (rule for rule in state["Choices"] if compute(rule["Condition"], {}))
            otherwise = {"Next": state.get("Default"), "Assign": state.get("Assign", {})}
            chosen = next(matching, otherwise)
        elif state["Type"] == "Wait":
            execution.waits.append(compute(state["Seconds"], {}))
        elif state["Type"] == "Fail":
            execution.error, execution.cause = (
                compute(state[key], {}) for key in ("Error", "Cause")
            )
            return execution
        elif state["Type"] == "Task":
            integration = state["Resource"].removeprefix(INTEGRATIONS)
            arguments = compute(state["Arguments"], {})
            execution.calls.append((integration, arguments))
            output = respond(integration, arguments)
            states = {"result": output}
            if "Error" in output:
                chosen = _catching(state, output["Error"])
                states = {"errorOutput": output}
        else:
            assert state["Type"] == "Pass"
        given, variables = (
            compute(chosen.get("Output", output), states),
            variables | compute(chosen.get("Assign", {}), states),
        )
        if chosen.get("End"):
            execution.result = given
            return execution
        state_name = chosen["Next"]
    raise AssertionError("unreachable")


def _catching(state: Json, error: str) -> Json:
    """Return the first rule of a state that catches an error."""
    found: Json = next(
        rule
        for rule in state["Catch"]
        if error in rule["ErrorEquals"] or "States.ALL" in rule["ErrorEquals"]
    )
    return found
