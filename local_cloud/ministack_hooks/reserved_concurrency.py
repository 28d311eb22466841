"""Reserved concurrency, by which MiniStack bounds calls of the unpublished version alone."""

from typing import Any

from ministack.services import lambda_svc


def install_reserved_concurrency() -> None:
    """Make a function's reserved concurrency bound the calls of all its versions."""
    original = lambda_svc._reserved_concurrency

    def read(called: dict[str, Any], configuration: dict[str, Any]) -> Any:
        # What is called is the record of one version; the function's own has the setting.
        function = lambda_svc._functions.get(configuration["FunctionName"], called)
        return original(function, configuration)

    lambda_svc._reserved_concurrency = read
