"""Runs the states of a JSONata state machine, with given results of its tasks."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from tests.stacks.assembly import Json
from tests.stacks.state_expressions import CONTEXT, evaluate


@dataclass
class Execution:
    """The requests of an execution, the seconds that it waited, and its end."""

    requests: list[Json] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    result: Any = None
    error: str | None = None
    cause: str | None = None


def execute(definition: Json, given: Any, results: list[Json]) -> Execution:
    """Run a definition of Pass, Choice, Wait, Fail and Task states to its end.

    Args:
        definition: in JSONata throughout.
        given: the input of the execution.
        results: of the tasks in turn, without retries; one with the member Error is a failure.
    """
    assert definition["QueryLanguage"] == "JSONata"
    execution, name, variables = Execution(), definition["StartAt"], dict[str, Any]()
    remaining = iter(results)
    for step in itertools.count():
        state = definition["States"][name]
        context = CONTEXT | {
            "State": {"Name": name, "EnteredTime": f"09:00:{step}", "RetryCount": 0}
        }
        chosen = state
        states: Json = {}
        output = given
        if state["Type"] == "Choice":
            chosen = {"Next": state["Default"]}
            for rule in state["Choices"]:
                if evaluate(rule["Condition"], given, context, variables):
                    chosen = rule
                    break
        elif state["Type"] == "Wait":
            execution.waits.append(evaluate(state["Seconds"], given, context, variables))
        elif state["Type"] == "Fail":
            execution.error = evaluate(state["Error"], given, context, variables)
            execution.cause = evaluate(state["Cause"], given, context, variables)
            return execution
        elif state["Type"] == "Task":
            execution.requests.append(evaluate(state["Arguments"], given, context, variables))
            result = next(remaining)
            if "Error" in result:
                (chosen,) = state["Catch"]
                states = {"errorOutput": result}
            else:
                execution.result = result
            output = result
        else:
            assert state["Type"] == "Pass"
        given, variables = (
            evaluate(chosen.get("Output", output), given, context, variables, states),
            variables | evaluate(chosen.get("Assign", {}), given, context, variables, states),
        )
        if chosen.get("End"):
            return execution
        name = chosen["Next"]
    raise AssertionError("unreachable")
