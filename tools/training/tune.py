"""`make tune DATA=folder|zip`: find better hyperparameters by training several times in a stage.

A tuning job of SageMaker trains with the values of RANGES, and the best by the accuracy on the
valid images goes on as after `make train ON=sagemaker`: through the gate into the registry.
"""

import argparse
import math
import re
from typing import Any, Final

from tools.console import run_tool
from tools.make_variables import MakeParser
from tools.model.train_options import (
    VARIABLES,
    add_network,
    add_run,
    check_network,
    check_run,
    hyperparameter_problem,
    hyperparameters_of,
    value_problem,
)
from tools.training.start import start_run

GRID, RANDOM = _STRATEGIES = ("grid", "random")
# Of train.py's flags those that decide how good a model is, and in which form they are searched.
_DEFAULT_RANGES: Final = {
    (GRID, "finetune"): "learning_rate=0.0003,0.001,0.003 weight_decay=0.01,0.1",
    (RANDOM, "finetune"): "learning_rate=0.0001..0.01 weight_decay=0.001..0.2",
    # A head chooses its penalty itself, and has no learning rate.
    (GRID, "head"): "balanced=true,false",
}
_HEAD_HAS: Final = ("architecture", "balanced", "precision", "seed", "quantize")
_DEFAULT_TRIALS: Final = 6
_MAX_TRIALS: Final = 100
_PARALLEL: Final = 2
_RANGE: Final = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)=([A-Za-z0-9._:/=+@,-]+)")
_LOGARITHMIC_FROM: Final = 10.0  # a range of one or more orders of magnitude


def main() -> int:
    """Tune; return 0 only if a package was registered."""
    parser = MakeParser(
        variables={
            name: variable
            for name, variable in VARIABLES.items()
            if name not in {"--on", "--weights", "--restart"}
        }
        | {"--trials": "TRIALS", "--strategy": "STRATEGY", "--ranges": "RANGES"}
        | {"--parallel": "PARALLEL"},
        prog="python -m tools.training.tune",
        description=__doc__,
    )
    add_network(parser)
    add_run(parser)
    parser.add_argument(
        "--strategy", choices=_STRATEGIES, default=GRID, help="grid: every combination of the "
        "values; random: values drawn from them or between two numbers (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--ranges", metavar='"NAME=RANGE ..."',
        help="hyperparameters to change: a=1,2,3 for values, a=0.001..0.1 for numbers between two "
        "(default: learning_rate and weight_decay of finetune)",
    )  # fmt: skip
    parser.add_argument(
        "--trials", type=int, metavar="N",
        help=f"trainings, up to {_MAX_TRIALS} (default: of grid every combination, of random "
        f"{_DEFAULT_TRIALS})",
    )  # fmt: skip
    parser.add_argument(
        "--parallel", type=int, default=_PARALLEL, metavar="N",
        help="trainings at a time (%(default)s)",
    )  # fmt: skip
    arguments = parser.parse()
    check_network(parser, arguments)
    check_run(parser, arguments)
    tuning = _tuning(parser, arguments)
    if arguments.check:
        return 0
    return start_run(arguments, tuning)


def _tuning(parser: MakeParser, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the execution's input says of tuning; exit with 2 if an option is not valid."""
    given = arguments.ranges or _DEFAULT_RANGES.get((arguments.strategy, arguments.mode))
    if given is None:
        parser.error(
            "argument --ranges: there is nothing to draw at random for a head, which chooses its "
            "penalty itself. Expected --mode=finetune, --strategy=grid, or --ranges such as "
            "architecture=efficientnet_lite0,resnet50"
        )
    ranges = {}
    for text in given.split():
        name, values = _parse(parser, text)
        if name in ranges:
            parser.error(f"argument --ranges: {name} is given twice; expected each name once")
        ranges[name] = values
    _check_names(parser, arguments, ranges)
    trials = _trials(parser, arguments, ranges)
    if not 1 <= arguments.parallel <= trials:
        parser.error(f"argument --parallel: {arguments.parallel}; expected 1 to {trials}")
    return {
        "strategy": arguments.strategy.capitalize(),
        "trials": trials,
        "parallel": arguments.parallel,
        "ranges": ranges,
    }


def _parse(parser: MakeParser, text: str) -> tuple[str, dict[str, Any]]:
    found = _RANGE.fullmatch(text)
    if found is None:
        parser.error(
            f"argument --ranges: {text!r}; expected name=1,2,3 or name=0.001..0.1, with spaces "
            "between several"
        )
    name, values = found[1].replace("-", "_"), found[2]
    if ".." not in values:
        return name, {"values": values.split(",")}
    try:
        minimum, maximum = (float(each) for each in values.split(".."))
    except ValueError:
        minimum = maximum = math.nan
    if not (math.isfinite(minimum) and math.isfinite(maximum) and minimum < maximum):
        parser.error(
            f"argument --ranges: {text!r}; expected two numbers, the smaller first: "
            f"{name}=0.001..0.1"
        )
    whole = all("." not in each and "e" not in each.lower() for each in values.split(".."))
    logarithmic = minimum > 0 and maximum / minimum >= _LOGARITHMIC_FROM
    return name, {
        "minimum": int(minimum) if whole else minimum,
        "maximum": int(maximum) if whole else maximum,
        "scaling": "Logarithmic" if logarithmic else "Linear",
        "type": "Integer" if whole else "Continuous",
    }


def _check_names(
    parser: MakeParser, arguments: argparse.Namespace, ranges: dict[str, dict[str, Any]]
) -> None:
    for name in ranges:
        if problem := hyperparameter_problem(name):
            parser.error(f"argument --ranges: {problem}")
    _check_values(parser, arguments, ranges)
    if arguments.mode == "head" and (others := sorted(set(ranges) - set(_HEAD_HAS))):
        parser.error(
            f"argument --ranges: {others[0]} changes nothing of a head; expected "
            f"{', '.join(_HEAD_HAS)}, or --mode=finetune"
        )
    if fixed := sorted(set(ranges) & set(hyperparameters_of(arguments))):
        parser.error(f"argument --ranges: {fixed[0]} has a fixed value, too: name it in one place")
    if arguments.strategy == GRID and (
        numbers := sorted(name for name, values in ranges.items() if "values" not in values)
    ):
        parser.error(
            f"argument --ranges: {numbers[0]} has no list of values, which grid needs; expected "
            f"{numbers[0]}=1,2,3, or --strategy=random"
        )


def _check_values(
    parser: MakeParser, arguments: argparse.Namespace, ranges: dict[str, dict[str, Any]]
) -> None:
    fixed = hyperparameters_of(arguments)
    for name, found in ranges.items():
        ends = (found.get("minimum"), found.get("maximum"))
        for value in found.get("values", ends):
            if problem := value_problem(fixed | {name: str(value)}):
                parser.error(f"argument --ranges: {problem}")


def _trials(
    parser: MakeParser, arguments: argparse.Namespace, ranges: dict[str, dict[str, Any]]
) -> int:
    if arguments.strategy == GRID:
        combinations = math.prod(len(values["values"]) for values in ranges.values())
        if arguments.trials not in {None, combinations}:
            parser.error(
                f"argument --trials: {arguments.trials}; expected {combinations}, which grid's "
                "values have as combinations, or none"
            )
        trials = combinations
    else:
        trials = arguments.trials or _DEFAULT_TRIALS
    if not 1 <= trials <= _MAX_TRIALS:
        parser.error(f"argument --trials: {trials}; expected 1 to {_MAX_TRIALS}")
    return trials


if __name__ == "__main__":
    run_tool(main)
