"""Refuses a state machine that AWS refuses, when it is created or updated."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json
from ministack.services import stepfunctions
from ministack.services.cloudformation import provisioners

from local_cloud.ministack_hooks.platform import current_scope
from local_cloud.ministack_hooks.step_functions.arguments import unsupported_fields
from local_cloud.ministack_hooks.step_functions.clients import SERVICE
from local_cloud.ministack_hooks.step_functions.integrations import (
    UnknownResourceError,
    parse_resource,
)
from local_cloud.ministack_hooks.step_functions.jobs import JOBS
from local_cloud.sagemaker.errors import HostingError
from local_cloud.sagemaker.platform import Platform

_TYPE = "AWS::StepFunctions::StateMachine"
_RULE_ACTIONS = ("events:PutRule", "events:PutTargets", "events:DescribeRule")


def install_definitions(platform: Platform) -> None:
    """Check definition and role in CreateStateMachine, UpdateStateMachine and templates."""
    original = stepfunctions._validate_definition_jsonata

    def validate(text: str) -> str | None:
        problem: str | None = original(text)
        return problem or definition_problem(text)

    stepfunctions._validate_definition_jsonata = validate
    stepfunctions._create_state_machine = _with_role(stepfunctions._create_state_machine, platform)
    stepfunctions._update_state_machine = _with_role(stepfunctions._update_state_machine, platform)
    handlers = provisioners._RESOURCE_HANDLERS[_TYPE]
    handlers["create"] = _checked(handlers["create"], platform, properties_at=1)
    handlers["update"] = _checked(handlers["update"], platform, properties_at=2)


def definition_problem(text: str) -> str | None:
    """Return AWS's message about a definition, or None if it is accepted."""
    try:
        definition = json.loads(text)
        problems = list(_problems(definition, ""))
    except (ValueError, TypeError, AttributeError):
        return None  # MiniStack's own errors
    if not problems:
        return None
    return f"Invalid State Machine Definition: '{', '.join(problems)}'"


def _problems(machine: dict[str, Any], path: str) -> Iterator[str]:
    for name, state in machine.get("States", {}).items():
        at = f"{path}/States/{name}"
        if state.get("Type") == "Task":
            yield from _task_problems(state, at)
        for index, branch in enumerate(state.get("Branches", [])):
            yield from _problems(branch, f"{at}/Branches[{index}]")
        for member in ("Iterator", "ItemProcessor"):
            yield from _problems(state.get(member, {}), f"{at}/{member}")


def _task_problems(state: dict[str, Any], path: str) -> Iterator[str]:
    resource = state.get("Resource", "")
    try:
        integration = parse_resource(resource)
    except UnknownResourceError:
        yield (
            f"SCHEMA_VALIDATION_FAILED: The resource provided {resource} is not recognized. The "
            "value is not a valid resource ARN, or the resource is not available in this region. "
            f"at {path}/Resource"
        )
        return
    if integration is None:
        return
    member = "Arguments" if "Arguments" in state else "Parameters"
    for name in unsupported_fields(integration, state.get(member, {})):
        yield (
            f'SCHEMA_VALIDATION_FAILED: The field "{name}" is not supported by Step Functions '
            f"at {path}/{member}"
        )


def role_problem(platform: Platform, role_arn: str, definition: str) -> str | None:
    """Return AWS's message about the role of a state machine, or None if it is accepted."""
    scope = current_scope()
    try:
        platform.role_credentials(scope, role_arn, "StepFunctions", SERVICE)
    except HostingError:
        return (
            f"Neither the global service principal {SERVICE}, nor the regional one is authorized "
            "to assume the provided role."
        )
    policies = iam_evaluator._gather_role_policies(role_arn.rpartition("/")[2], scope.account_id)
    for rule in _managed_rules(definition):
        for action in _RULE_ACTIONS:
            context = iam_evaluator.EvalContext(
                principal_arn=role_arn,
                principal_type="AssumedRole",
                principal_account=scope.account_id,
                action=action,
                resource_arn=scope.arn("events", f"rule/{rule}"),
                region=scope.region,
            )
            if iam_evaluator.evaluate(context, policies).decision != "Allow":
                return f"'{role_arn}' is not authorized to create managed-rule."
    return None


def _managed_rules(definition: str) -> set[str]:
    """Return the rules by which Step Functions hears of the ends of a definition's jobs."""
    return {
        kind.rule
        for action, kind in JOBS.items()
        if f":states:::sagemaker:{action}.sync" in definition
    }


def _with_role(original: Callable[..., Any], platform: Platform) -> Callable[..., Any]:
    def change(data: dict[str, Any]) -> Any:
        known = stepfunctions._state_machines.get(data.get("stateMachineArn")) or {}
        role = data.get("roleArn", known.get("roleArn"))
        text = data.get("definition", known.get("definition"))
        if isinstance(role, str) and isinstance(text, str):
            invalid = definition_problem(text)
            problem = None if invalid else role_problem(platform, role, text)
            if problem:
                return error_response_json("AccessDeniedException", problem, 400)
        return original(data)

    return change


def _checked(
    original: Callable[..., Any], platform: Platform, *, properties_at: int
) -> Callable[..., Any]:
    def change(*arguments: Any, **options: Any) -> Any:
        properties = arguments[properties_at]
        text = provisioners._sfn_definition(properties)
        problem = (
            stepfunctions._validate_definition_jsonata(text)
            or role_problem(platform, properties.get("RoleArn", ""), text)
        )  # fmt: skip
        if problem:
            raise provisioners._sfn_handler_error(problem)
        return original(*arguments, **options)

    return change
