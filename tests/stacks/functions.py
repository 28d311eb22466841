"""The Lambda functions of the API stack."""

from tests.stacks.assembly import Assembly, Resource

FUNCTION = "AWS::Lambda::Function"


def proxy_function(assembly: Assembly) -> Resource:
    return function_of(assembly, "classifier_proxy.handler.handle")


def health_function(assembly: Assembly) -> Resource:
    return function_of(assembly, "classifier_proxy.health_handler.handle")


def function_of(assembly: Assembly, handler: str) -> Resource:
    (found,) = (
        each
        for each in assembly.resources("api", FUNCTION)
        if each.properties["Handler"] == handler
    )
    return found
