"""Validates the member `tuning` of an execution's input, in JSONata, and turns it into a request.

`{"strategy": "Random", "trials": 6, "parallel": 2, "ranges": {"learning_rate": {"minimum": 0.001,
"maximum": 0.1, "scaling": "Logarithmic", "type": "Continuous"}, "mode": {"values": ["a", "b"]}}}`
"""

import json

STRATEGIES = ("Grid", "Random")
SCALINGS = ("Linear", "Logarithmic")
TYPES = ("Continuous", "Integer")
MAX_TRIALS = 100
MAX_PARALLEL = 10
MAX_RANGES = 30  # of each kind: the API's own bounds
MAX_VALUES = 30

# What is absent is neither equal nor unequal to anything: `$not($type(x) = 'number')`, not `!=`.
_WHOLE = "function($value) { $type($value) = 'number' ? $value = $floor($value) : false }"
# Grid takes lists of values only; the number of its trials is that of their combinations.
_COMBINATIONS = (
    "$reduce($each($tuning.ranges, function($range) { $count($range.values) }), "
    "function($product, $count) { $product * $count }, 1)"
)
_VALUES_PROBLEM = (
    "$type($range.values) != 'array' or $count($range.values) < 1 "
    f"or $count($range.values) > {MAX_VALUES} "
    f"? $name & ': values must be a list of 1 to {MAX_VALUES}' "
    ": $count($distinct($range.values)) < $count($range.values) "
    "? $name & ': values must differ' "
    ": $map($range.values, function($value) { $hyperparameter_problem($value, $name) })[0]"
)
_BOUNDS_PROBLEM = (
    "$not($type($range.minimum) = 'number' and $type($range.maximum) = 'number') "
    "? $name & ' must have values, or the numbers minimum and maximum' "
    ": $range.minimum >= $range.maximum ? $name & ': minimum must be less than maximum' "
    f": $exists($range.type) and $not($range.type in {json.dumps(TYPES)}) "
    f"? $name & ': type must be one of {', '.join(TYPES)}' "
    ": $range.type = 'Integer' and $not($whole($range.minimum) and $whole($range.maximum)) "
    "? $name & ': minimum and maximum must be whole numbers with type Integer' "
    f": $exists($range.scaling) and $not($range.scaling in {json.dumps(SCALINGS)}) "
    f"? $name & ': scaling must be one of {', '.join(SCALINGS)}' "
    ": $range.scaling = 'Logarithmic' and $range.minimum <= 0 "
    "? $name & ': minimum must be above 0 with Logarithmic scaling' "
    ": $hyperparameter_problem(1, $name)"
)
_RANGE_PROBLEM = (
    "function($range, $name) { "
    "$type($range) != 'object' ? $name & ' must be an object of values, or minimum and maximum' "
    ": $exists($lookup($states.input.hyperparameters, $name)) "
    "? $name & ' is in hyperparameters too: a job has one value of it' "
    ": $exists($range.values) "
    f"? ({_VALUES_PROBLEM}) "
    ": $tuning.strategy = 'Grid' ? $name & ' must have values: Grid tries their combinations' "
    f": ({_BOUNDS_PROBLEM}) }}"
)
_TRIALS_PROBLEM = (
    "( $trials := $tuning.trials; $combinations := $grid ? "
    f"{_COMBINATIONS} : 0; "
    "$grid and $exists($trials) and $trials != $combinations "
    "? 'trials must be ' & $string($combinations) & ', the number of combinations, or left out' "
    f": $grid and $combinations > {MAX_TRIALS} "
    f"? 'the ranges have ' & $string($combinations) & ' combinations, at most {MAX_TRIALS} "
    "are tried' "
    f": $not($grid) and $not(($whole($trials) ? $trials >= 1 and $trials <= {MAX_TRIALS} : false)) "
    f"? 'trials must be a whole number from 1 to {MAX_TRIALS}' )"
)
_PARALLEL_PROBLEM = (
    "$exists($tuning.parallel) and $not(($whole($tuning.parallel) "
    f"? $tuning.parallel >= 1 and $tuning.parallel <= {MAX_PARALLEL} : false)) "
    f"? 'parallel must be a whole number from 1 to {MAX_PARALLEL}'"
)

# An expression with the errors of `tuning`: a text, a list of texts, or nothing. It needs the
# function $hyperparameter_problem.
TUNING_PROBLEM = (
    f"( $tuning := $states.input.tuning; $whole := {_WHOLE}; "
    "$not($exists($tuning)) ? [] "
    ": $type($tuning) != 'object' ? 'tuning must be an object' "
    f": $not($tuning.strategy in {json.dumps(STRATEGIES)}) "
    f"? 'tuning: strategy must be one of {', '.join(STRATEGIES)}' "
    ": $not($type($tuning.ranges) = 'object') or $count($keys($tuning.ranges)) < 1 "
    f"or $count($keys($tuning.ranges)) > {MAX_RANGES} "
    f"? 'tuning: ranges must be an object of 1 to {MAX_RANGES} hyperparameters' "
    f": ( $problems := $each($tuning.ranges, {_RANGE_PROBLEM}); $count($problems) > 0 "
    "? $map($problems, function($problem) { 'tuning: ' & $problem }) "
    ": ( $grid := $tuning.strategy = 'Grid'; "
    f"$map([({_TRIALS_PROBLEM}), ({_PARALLEL_PROBLEM})], "
    "function($problem) { 'tuning: ' & $problem }) ) ) )"
)

IS_TUNING = "{% $exists($states.input.tuning) %}"
STRATEGY = "{% $states.input.tuning.strategy %}"
RESOURCE_LIMITS = {
    "MaxNumberOfTrainingJobs": (
        f"{{% ( $tuning := $states.input.tuning; $tuning.strategy = 'Grid' ? {_COMBINATIONS} "
        ": $tuning.trials ) %}"
    ),
    "MaxParallelTrainingJobs": (
        "{% $exists($states.input.tuning.parallel) ? $states.input.tuning.parallel : 1 %}"
    ),
}


def _numeric_ranges(kind: str) -> str:
    """Return an expression for the ranges between two numbers; SageMaker takes them as texts."""
    return (
        "{% [$each($sift($states.input.tuning.ranges, function($range) "
        "{ $not($exists($range.values)) "
        f"and ($exists($range.type) ? $range.type : '{TYPES[0]}') = '{kind}' }}), "
        "function($range, $name) { {'Name': $name, 'MinValue': $string($range.minimum), "
        "'MaxValue': $string($range.maximum), "
        f"'ScalingType': $exists($range.scaling) ? $range.scaling : '{SCALINGS[0]}'}} }})] %}}"
    )


PARAMETER_RANGES = {
    "CategoricalParameterRanges": (
        "{% [$each($sift($states.input.tuning.ranges, function($range) "
        "{ $exists($range.values) }), function($range, $name) "
        "{ {'Name': $name, "
        "'Values': [$map($range.values, function($value) { $string($value) })]} })] %}"
    ),
    "ContinuousParameterRanges": _numeric_ranges("Continuous"),
    "IntegerParameterRanges": _numeric_ranges("Integer"),
}
