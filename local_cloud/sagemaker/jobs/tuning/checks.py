"""What makes a request for a tuning job invalid beyond SageMaker's service model."""

import math
from collections.abc import Mapping
from typing import Any

from local_cloud.sagemaker.errors import validation_error

_KINDS = ("CategoricalParameterRanges", "ContinuousParameterRanges", "IntegerParameterRanges")
_NUMBERS = {"ContinuousParameterRanges": float, "IntegerParameterRanges": int}
# docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-limits.html
_MAX_RANGES = 30
_MAX_JOBS = {"Random": 10_000, "Grid": 750}
_MAX_PARALLEL = 100


def check_tuning(parameters: Mapping[str, Any]) -> None:
    """Check CreateHyperParameterTuningJob's own part; that of the trials is checked with them.

    Raises:
        AwsError: ValidationException.
    """
    for name in ("TrainingJobDefinitions", "WarmStartConfig", "Autotune"):
        if name in parameters:
            raise validation_error(f"The local cloud's tuning jobs do not support {name}.")
    definition = parameters.get("TrainingJobDefinition")
    if definition is None:
        raise validation_error("A tuning job needs a TrainingJobDefinition.")
    configuration = parameters["HyperParameterTuningJobConfig"]
    strategy = configuration["Strategy"]
    if strategy not in _MAX_JOBS:
        raise validation_error(
            f"The local cloud has the strategies Grid and Random; got {strategy}, which needs "
            "SageMaker's own optimizer."
        )
    if (
        unsupported := {"BestObjectiveNotImproving", "ConvergenceDetected"}
        & configuration.get("TuningJobCompletionCriteria", {}).keys()
    ):
        raise validation_error(
            f"The local cloud's TuningJobCompletionCriteria do not support {sorted(unsupported)}."
        )
    _check_objective(configuration, definition)
    ranges = configuration.get("ParameterRanges", {})
    _check_ranges(ranges, definition)
    _check_limits(configuration, ranges, strategy)


def _check_objective(configuration: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    objective = configuration.get("HyperParameterTuningJobObjective")
    if objective is None:
        raise validation_error("A tuning job needs a HyperParameterTuningJobObjective.")
    definitions = definition["AlgorithmSpecification"].get("MetricDefinitions", [])
    if objective["MetricName"] not in {each["Name"] for each in definitions}:
        raise validation_error(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric "
            f"in the metric definitions. ({objective['MetricName']} is not among "
            f"{[each['Name'] for each in definitions]}.)"
        )


def _check_ranges(ranges: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    names = [each["Name"] for kind in _KINDS for each in ranges.get(kind, [])]
    if not names or len(names) > _MAX_RANGES or ranges.get("AutoParameters"):
        raise validation_error(
            f"ParameterRanges must have 1 to {_MAX_RANGES} ranges, and no AutoParameters here; got "
            f"{len(names)} ranges."
        )
    static = definition.get("StaticHyperParameters", {}).keys()
    if len(set(names)) < len(names) or static & set(names):
        raise validation_error(
            "A hyperparameter must be in one range, and not in StaticHyperParameters too; got the "
            f"ranges {names} and the static hyperparameters {sorted(static)}."
        )
    for kind, number in _NUMBERS.items():
        for each in ranges.get(kind, []):
            _check_numbers(each, number)
    for each in ranges.get("CategoricalParameterRanges", []):
        if len(set(each["Values"])) < len(each["Values"]):
            raise validation_error(
                f"The values of {each['Name']} must be unique; got {each['Values']}."
            )


def _check_numbers(each: Mapping[str, str], number: type[float]) -> None:
    try:
        low, high = number(each["MinValue"]), number(each["MaxValue"])
        valid = low < high and math.isfinite(low) and math.isfinite(high)
    except ValueError:
        valid, low, high = False, math.nan, math.nan
    if not valid:
        raise validation_error(
            f"MinValue and MaxValue of {each['Name']} must be numbers of type {number.__name__}, "
            f"the first one smaller; got {each['MinValue']} and {each['MaxValue']}."
        )
    scaling = each.get("ScalingType", "Auto")
    if (scaling == "Logarithmic" and low <= 0) or (
        scaling == "ReverseLogarithmic" and not (number is float and low >= 0 and high < 1)
    ):
        raise validation_error(
            f"The range {each['MinValue']} to {each['MaxValue']} of {each['Name']} cannot be "
            f"scaled as {scaling}: Logarithmic is for values above 0, ReverseLogarithmic for "
            "continuous values from 0 to below 1."
        )


def _check_limits(
    configuration: Mapping[str, Any], ranges: Mapping[str, Any], strategy: str
) -> None:
    limits = configuration["ResourceLimits"]
    count = limits.get("MaxNumberOfTrainingJobs")
    if strategy == "Grid":
        others = [kind for kind in _NUMBERS if ranges.get(kind)]
        if others:
            raise validation_error(
                f"The strategy Grid takes categorical ranges only; got {', '.join(others)}."
            )
        categorical = ranges.get("CategoricalParameterRanges") or []
        combinations = math.prod(len(each["Values"]) for each in categorical)
        if count not in (None, combinations):
            raise validation_error(
                f"With the strategy Grid, MaxNumberOfTrainingJobs is the number of combinations, "
                f"{combinations}, or not given; got {count}."
            )
        count = combinations
    if count is None:
        raise validation_error(f"The strategy {strategy} needs MaxNumberOfTrainingJobs.")
    parallel = limits["MaxParallelTrainingJobs"]
    if count > _MAX_JOBS[strategy] or parallel > min(_MAX_PARALLEL, count):
        raise validation_error(
            f"The strategy {strategy} allows up to {_MAX_JOBS[strategy]} training jobs, of which "
            f"up to {_MAX_PARALLEL} run at a time; got {count} and {parallel}."
        )
