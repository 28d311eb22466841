"""Reserved concurrency of all versions; MiniStack applies it only to the unpublished version."""

from typing import Any

from ministack.services import lambda_svc


def install_reserved_concurrency() -> None:
    """Apply a function's reserved concurrency to invocations of all its versions."""
    original = lambda_svc._reserved_concurrency

    def read(called: dict[str, Any], configuration: dict[str, Any]) -> Any:
        # The invoked version's record lacks the setting; the function's record has it.
        function = lambda_svc._functions.get(configuration["FunctionName"], called)
        return original(function, configuration)

    lambda_svc._reserved_concurrency = read
