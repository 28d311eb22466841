"""Reserved concurrency of all versions of a function.

MiniStack's CloudFormation ignores it, and its Lambda applies it only to the unpublished version.
"""

from collections.abc import Callable
from typing import Any

from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

_FUNCTION = "AWS::Lambda::Function"


def install_reserved_concurrency() -> None:
    """Apply a function's reserved concurrency, also from templates and to all its versions."""
    original = lambda_svc._reserved_concurrency

    def read(called: dict[str, Any], configuration: dict[str, Any]) -> Any:
        # The invoked version's record lacks the setting; the function's record has it.
        function = lambda_svc._functions.get(configuration["FunctionName"], called)
        return original(function, configuration)

    lambda_svc._reserved_concurrency = read
    handlers = provisioners._RESOURCE_HANDLERS[_FUNCTION]
    handlers["create"] = _reserving(handlers["create"], properties_at=1)
    handlers["update"] = _reserving(handlers["update"], properties_at=2)


def _reserving(original: Callable[..., Any], *, properties_at: int) -> Callable[..., Any]:
    def apply(*arguments: Any, **options: Any) -> Any:
        name, attributes = original(*arguments, **options)
        reserved = arguments[properties_at].get("ReservedConcurrentExecutions")
        lambda_svc._functions[name]["concurrency"] = None if reserved is None else int(reserved)
        return name, attributes

    return apply
