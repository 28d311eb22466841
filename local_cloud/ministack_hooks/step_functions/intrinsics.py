"""States.MathAdd adds integers only; MiniStack cuts off what follows the decimal point."""

from typing import Any

from ministack.services import stepfunctions

from local_cloud.ministack_hooks.step_functions.failures import runtime_error


def install_intrinsics() -> None:
    """Refuse anything but integers in States.MathAdd."""
    original = stepfunctions._exec_intrinsic

    def execute(node: tuple[str, str, list[Any]], data: Any, context: Any) -> Any:
        _, name, arguments = node
        if name != "States.MathAdd":
            return original(node, data, context)
        values = [stepfunctions._eval_intrinsic_arg(each, data, context) for each in arguments]
        wrong = [value for value in values if isinstance(value, bool) or not isinstance(value, int)]
        if wrong or len(values) != 2:
            raise runtime_error(
                f"The function '{name}' had the following error: Invalid arguments in {name}: "
                f"expected two integers, got {', '.join(map(str, values))}"
            )
        return sum(values)

    stepfunctions._exec_intrinsic = execute
