"""A tuning job instead of a training job."""

import math
from typing import Any

import pytest

from tests.stacks.assembly import Assembly, Json
from tests.stacks.service_model import request_problems
from tests.stacks.training_account import DESCRIBE_JOB, TRAIN, TUNE
from tests.stacks.training_workflow import INPUT, refused, request, run

RANDOM: Json = {
    "strategy": "Random",
    "trials": 6,
    "parallel": 2,
    "ranges": {
        "learning_rate": {"minimum": 0.0001, "maximum": 0.1, "scaling": "Logarithmic"},
        "batch_size": {"minimum": 8, "maximum": 64, "type": "Integer"},
        "architecture": {"values": ["resnet18", "resnet50"]},
    },
}
GRID: Json = {
    "strategy": "Grid",
    "ranges": {"learning_rate": {"values": ["0.1", "0.001"]}, "l2": {"values": ["0", "1", "2"]}},
}


def tuned(assembly: Assembly, tuning: Json) -> Json:
    """Return CreateHyperParameterTuningJob's request, which SageMaker accepts."""
    execution = run(assembly, {**INPUT, "tuning": tuning})
    assert execution.requests(TRAIN) == []
    (sent,) = execution.requests(TUNE)
    assert [
        each
        for each in request_problems("sagemaker", "CreateHyperParameterTuningJob", sent)
        if "<" not in each  # an unresolved reference
    ] == []
    return sent


def test_the_best_job_goes_on_to_the_gate(dev: Assembly) -> None:
    execution = run(dev, {**INPUT, "tuning": RANDOM}, best="whippet-dev-1-002-0a1b")
    assert execution.result["training_job"] == "whippet-dev-1-002-0a1b"
    (described,) = execution.requests(DESCRIBE_JOB)
    assert described == {"TrainingJobName": "whippet-dev-1-002-0a1b"}


def test_the_jobs_are_those_of_the_usual_training(dev: Assembly) -> None:
    jobs = dict(tuned(dev, RANDOM)["TrainingJobDefinition"])
    usual = request(dev)
    assert jobs.pop("StaticHyperParameters") == usual.pop("HyperParameters")
    del usual["TrainingJobName"]
    assert jobs == usual


def test_ranges_are_those_of_the_input(dev: Assembly) -> None:
    configuration = tuned(dev, RANDOM)["HyperParameterTuningJobConfig"]
    assert configuration["Strategy"] == "Random"
    assert configuration["ResourceLimits"] == {
        "MaxNumberOfTrainingJobs": 6,
        "MaxParallelTrainingJobs": 2,
    }
    objective = {"Type": "Maximize", "MetricName": "valid_accuracy"}
    assert configuration["HyperParameterTuningJobObjective"] == objective
    assert configuration["ParameterRanges"] == {
        "CategoricalParameterRanges": [
            {"Name": "architecture", "Values": ["resnet18", "resnet50"]}
        ],
        "ContinuousParameterRanges": [
            {
                "Name": "learning_rate",
                "MinValue": "0.0001",
                "MaxValue": "0.1",
                "ScalingType": "Logarithmic",
            }
        ],
        "IntegerParameterRanges": [
            {"Name": "batch_size", "MinValue": "8", "MaxValue": "64", "ScalingType": "Linear"}
        ],
    }


@pytest.mark.parametrize(
    "ranges",
    [
        {"a": {"values": ["1"]}},
        {"a": {"values": ["1", "2", "3"]}},
        {"a": {"values": ["1", "2"]}, "b": {"values": ["x", "y", "z"]}, "c": {"values": [7, 8]}},
    ],
)
def test_a_grid_tries_every_combination(dev: Assembly, ranges: Json) -> None:
    count = math.prod(len(each["values"]) for each in ranges.values())
    for tuning in (
        {"strategy": "Grid", "ranges": ranges},
        {**GRID, "ranges": ranges, "trials": count},
    ):
        configuration = tuned(dev, tuning)["HyperParameterTuningJobConfig"]
        assert configuration["ResourceLimits"] == {
            "MaxNumberOfTrainingJobs": count,
            "MaxParallelTrainingJobs": 1,
        }
        sent = configuration["ParameterRanges"]["CategoricalParameterRanges"]
        assert {each["Name"]: each["Values"] for each in sent} == {
            name: [str(value) for value in each["values"]] for name, each in ranges.items()
        }


def test_without_a_good_job_nothing_is_registered(dev: Assembly) -> None:
    execution = run(dev, {**INPUT, "tuning": RANDOM}, best=None)
    assert refused(execution, "TrainingFailed").startswith("No job of the tuning job has reported ")


def with_range(value: Any, name: str = "x", **changes: Any) -> Json:
    return {**RANDOM, "ranges": {name: value}, **changes}


@pytest.mark.parametrize(
    ("tuning", "problem"),
    [
        (7, "tuning must be an object"),
        (None, "tuning must be an object"),
        ({}, "strategy must be one of Grid, Random"),
        ({**RANDOM, "strategy": "Bayesian"}, "strategy must be one of Grid, Random"),
        ({**RANDOM, "strategy": "Hyperband"}, "strategy must be one of Grid, Random"),
        ({"strategy": "Random"}, "ranges must be an object of 1 to 30 hyperparameters"),
        ({**RANDOM, "ranges": {}}, "ranges must be an object of 1 to 30 hyperparameters"),
        ({**RANDOM, "ranges": [1]}, "ranges must be an object of 1 to 30 hyperparameters"),
        (
            {**RANDOM, "ranges": {f"x{n}": {"values": [1]} for n in range(31)}},
            "ranges must be an object of 1 to 30 hyperparameters",
        ),
        ({**GRID, "trials": 5}, "trials must be 6, the number of combinations, or left out"),
        (
            with_range(
                {"values": list(range(30))},
                ranges={"a": {"values": list(range(30))}, "b": {"values": list(range(4))}},
                strategy="Grid",
                trials=120,
            ),
            "the ranges have 120 combinations, at most 100 are tried",
        ),
        ({**RANDOM, "trials": 0}, "trials must be a whole number from 1 to 100"),
        ({**RANDOM, "trials": 101}, "trials must be a whole number from 1 to 100"),
        ({**RANDOM, "trials": "6"}, "trials must be a whole number from 1 to 100"),
        ({k: v for k, v in RANDOM.items() if k != "trials"}, "trials must be a whole number from "),
        ({**RANDOM, "parallel": 11}, "parallel must be a whole number from 1 to 10"),
        ({**RANDOM, "parallel": 1.5}, "parallel must be a whole number from 1 to 10"),
        (with_range(3), "x must be an object of values, or minimum and maximum"),
        (with_range({}), "x must have values, or the numbers minimum and maximum"),
        (with_range({"minimum": 1}), "x must have values, or the numbers minimum and maximum"),
        (with_range({"minimum": "1", "maximum": 2}), "x must have values, or the numbers "),
        (with_range({"minimum": 2, "maximum": 2}), "x: minimum must be less than maximum"),
        (
            with_range({"minimum": 1, "maximum": 2, "type": "Double"}),
            "x: type must be one of Continuous, Integer",
        ),
        (
            with_range({"minimum": 1, "maximum": 2.5, "type": "Integer"}),
            "x: minimum and maximum must be whole numbers with type Integer",
        ),
        (
            with_range({"minimum": 1, "maximum": 2, "scaling": "Auto"}),
            "x: scaling must be one of Linear, Logarithmic",
        ),
        (
            with_range({"minimum": 0, "maximum": 2, "scaling": "Logarithmic"}),
            "x: minimum must be above 0 with Logarithmic scaling",
        ),
        (with_range({"values": []}), "x: values must be a list of 1 to 30"),
        (with_range({"values": "a"}), "x: values must be a list of 1 to 30"),
        (with_range({"values": list(range(31))}), "x: values must be a list of 1 to 30"),
        (with_range({"values": ["a", "a"]}), "x: values must differ"),
        (with_range({"values": ["a;b", "c"]}), "the value of the hyperparameter x must be one or "),
        (with_range({"values": ["a", "b c"]}), "the value of the hyperparameter x must be one or "),
        (
            with_range({"minimum": 1, "maximum": 2}, "a b"),
            'the hyperparameter name "a b" must be a letter followed by ',
        ),
        (with_range({"values": ["1"]}, "a b"), 'the hyperparameter name "a b" must be a letter '),
        (
            with_range({"minimum": 1, "maximum": 2}, strategy="Grid"),
            "x must have values: Grid tries their combinations",
        ),
        (
            with_range({"values": ["1"]}, "epochs"),
            "epochs is in hyperparameters too: a job has one value of it",
        ),
    ],
)
def test_what_cannot_be_tuned_is_refused(dev: Assembly, tuning: Any, problem: str) -> None:
    execution = run(dev, {**INPUT, "tuning": tuning})
    assert len(execution.calls) == 1
    cause = refused(execution, "InvalidInput")
    start = problem if problem == "tuning must be an object" else f"tuning: {problem}"
    assert cause.startswith(start)


def test_every_problem_is_named(dev: Assembly) -> None:
    tuning = {**RANDOM, "trials": 0, "parallel": 0}
    cause = refused(run(dev, {**INPUT, "tuning": tuning, "instances": 0}), "InvalidInput")
    assert cause.split(". Expected")[0].split("; ") == [
        "instances must be a whole number from 1 to 8",
        "tuning: trials must be a whole number from 1 to 100",
        "tuning: parallel must be a whole number from 1 to 10",
    ]
