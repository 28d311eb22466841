"""Tuning jobs: their trials are training jobs, and the best one is found."""

import time
from typing import Any

import pytest

from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.jobs.tuning.candidates import random_candidates
from tests.local_cloud.sagemaker import StandInSageMaker
from tests.local_cloud.training_jobs import TIMEOUT_SECONDS, packed, training_request

# The best rate is 0.01, the best optimizer adam.
PROGRAM = """
import sys
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
penalty = 0.5 if options.get("--optimizer") == "sgd" else 0
score = 1 - abs(float(options["--learning_rate"]) - 0.01) - penalty
print(f"test_accuracy={score:.4f}")
"""
ENDLESS = "import time; print('test_accuracy=0.5', flush=True); time.sleep(600)"
FAILING = "raise SystemExit('no images')"
RATES = {"Name": "learning_rate", "Values": ["0.1", "0.01", "0.5"]}
OPTIMIZERS = {"Name": "optimizer", "Values": ["sgd", "adam"]}
GRID = {"CategoricalParameterRanges": [RATES, OPTIMIZERS]}
CONTINUOUS = {"Name": "learning_rate", "MinValue": "0.0001", "MaxValue": "0.1"}
RANDOM = {"ContinuousParameterRanges": [{**CONTINUOUS, "ScalingType": "Logarithmic"}]}


def tuning_request(
    ranges: dict[str, Any], *, name: str = "flowers", trials: int | None = None, parallel: int = 2,
    **members: Any,
) -> dict[str, Any]:  # fmt: skip
    definition = training_request()
    del definition["TrainingJobName"]
    definition["StaticHyperParameters"] = definition.pop("HyperParameters")
    limits = {"MaxParallelTrainingJobs": parallel}
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Grid" if ranges is GRID else "Random",
            "HyperParameterTuningJobObjective": {
                "Type": "Maximize", "MetricName": "test_accuracy",
            },
            "ResourceLimits": limits | ({"MaxNumberOfTrainingJobs": trials} if trials else {}),
            "ParameterRanges": ranges,
            **members,
        },
        "TrainingJobDefinition": definition,
    }  # fmt: skip


def tune(sagemaker: StandInSageMaker, program: str, ranges: dict[str, Any], **options: Any) -> None:
    sagemaker.s3.objects["assets", "source.tar.gz"] = packed(train=program)
    sagemaker.call("CreateHyperParameterTuningJob", **tuning_request(ranges, **options))


def ended(sagemaker: StandInSageMaker, name: str = "flowers") -> dict[str, Any]:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        described = sagemaker.call(
            "DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name
        )
        if described["HyperParameterTuningJobStatus"] not in {"InProgress", "Stopping"}:
            return described
        time.sleep(0.02)
    raise AssertionError(f"{name} still runs")


def trials(sagemaker: StandInSageMaker, name: str = "flowers", **filters: Any) -> list[Any]:
    listed = sagemaker.call(
        "ListTrainingJobsForHyperParameterTuningJob", HyperParameterTuningJobName=name,
        **{"MaxResults": 100, **filters},
    )  # fmt: skip
    found: list[Any] = listed["TrainingJobSummaries"]
    return found


def test_a_grid_tries_every_combination_and_finds_the_best(sagemaker: StandInSageMaker) -> None:
    tune(sagemaker, PROGRAM, GRID)
    described = ended(sagemaker)
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    best = described["BestTrainingJob"]
    assert best["TunedHyperParameters"] == {"learning_rate": "0.01", "optimizer": "adam"}
    objective = best["FinalHyperParameterTuningJobObjectiveMetric"]
    assert objective == {"MetricName": "test_accuracy", "Value": 1.0}
    assert described["TrainingJobStatusCounters"] == {
        "Completed": 6, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0,
    }  # fmt: skip
    assert described["ObjectiveStatusCounters"] == {"Succeeded": 6, "Pending": 0, "Failed": 0}
    found = trials(sagemaker)
    assert [trial["TrainingJobName"][:-8] for trial in found] == [
        f"flowers-{number:03}-" for number in range(1, 7)
    ]
    tuned = {tuple(sorted(trial["TunedHyperParameters"].items())) for trial in found}
    assert len(tuned) == 6
    job = sagemaker.call("DescribeTrainingJob", TrainingJobName=best["TrainingJobName"])
    assert job["TuningJobArn"] == described["HyperParameterTuningJobArn"]
    assert job["HyperParameters"]["learning_rate"] == "0.01"
    assert job["HyperParameters"]["sagemaker_program"] == "train.py"
    assert job["ModelArtifacts"]["S3ModelArtifacts"].endswith("/output/model.tar.gz")


def test_trials_are_listed_by_their_objective(sagemaker: StandInSageMaker) -> None:
    tune(sagemaker, PROGRAM, GRID)
    ended(sagemaker)
    found = trials(sagemaker, SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    values = [trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for trial in found]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 6
    assert trials(sagemaker, StatusEquals="Failed") == []
    (summary,) = sagemaker.call("ListHyperParameterTuningJobs")["HyperParameterTuningJobSummaries"]
    assert (summary["Strategy"], summary["HyperParameterTuningJobStatus"]) == ("Grid", "Completed")


def test_random_trials_depend_on_the_name_and_the_seed_alone(sagemaker: StandInSageMaker) -> None:
    rates = []
    seeded: tuple[tuple[str, dict[str, int]], ...] = (
        ("first", {}), ("second", {}), ("third", {"RandomSeed": 7}),
    )  # fmt: skip
    for name, options in seeded:
        tune(sagemaker, PROGRAM, RANDOM, name=name, trials=3, parallel=3, **options)
        assert ended(sagemaker, name)["HyperParameterTuningJobStatus"] == "Completed"
        rates.append(
            [each["TunedHyperParameters"]["learning_rate"] for each in trials(sagemaker, name)]
        )
    assert len({rate for each in rates for rate in each}) == 9
    seeds = ("first", "second", "7")
    for found, seed in zip(rates, seeds, strict=True):
        candidates = random_candidates(RANDOM, seed)
        assert found == [next(candidates)["learning_rate"] for _ in found]


@pytest.mark.parametrize(
    ("ranges", "values", "least", "most"),
    [
        (
            {"MinValue": "0.0001", "MaxValue": "0.1", "ScalingType": "Logarithmic"},
            float,
            1e-3,
            1e-2,
        ),
        ({"MinValue": "0.0001", "MaxValue": "0.1"}, float, 1e-3, 1e-2),
        ({"MinValue": "1", "MaxValue": "3"}, float, 1.7, 2.3),
        (
            {"MinValue": "0", "MaxValue": "0.99", "ScalingType": "ReverseLogarithmic"},
            float,
            0.8,
            0.95,
        ),
        ({"MinValue": "0.001", "MaxValue": "10", "ScalingType": "Linear"}, float, 4, 6),
        ({"MinValue": "1", "MaxValue": "9"}, int, 3, 7),
        ({"MinValue": "2", "MaxValue": "65536", "ScalingType": "Logarithmic"}, int, 90, 1500),
    ],
)
def test_random_values_lie_in_their_range_and_on_its_scale(
    ranges: dict[str, str], values: type[float], least: float, most: float
) -> None:
    kind = "IntegerParameterRanges" if values is int else "ContinuousParameterRanges"
    candidates = random_candidates({kind: [{"Name": "a", **ranges}]}, "seed")
    found = sorted(values(next(candidates)["a"]) for _ in range(101))
    assert float(ranges["MinValue"]) <= found[0] <= found[-1] <= float(ranges["MaxValue"])
    assert least < found[50] < most


def test_no_combination_comes_twice_and_every_whole_number_as_often() -> None:
    candidates = random_candidates(GRID, "seed")
    assert len({tuple(next(candidates).values()) for _ in range(6)}) == 6
    whole = {"Name": "batch", "MinValue": "1", "MaxValue": "3"}
    ranges = {"IntegerParameterRanges": [whole], "ContinuousParameterRanges": [CONTINUOUS]}
    candidates = random_candidates(ranges, "seed")
    found = [next(candidates)["batch"] for _ in range(600)]
    assert all(found.count(number) > 165 for number in "123")


def test_no_more_trials_run_at_a_time_than_allowed(sagemaker: StandInSageMaker) -> None:
    tune(sagemaker, ENDLESS, GRID, parallel=2)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(sagemaker.platform.logs) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.2)
    assert len(trials(sagemaker)) == 2
    sagemaker.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="flowers")
    described = ended(sagemaker)
    assert described["HyperParameterTuningJobStatus"] == "Stopped"
    assert described["TrainingJobStatusCounters"]["Stopped"] == 2
    assert len(trials(sagemaker, StatusEquals="Stopped")) == 2
    assert "BestTrainingJob" not in described
    with pytest.raises(AwsError, match="tuning job is in status Stopped"):
        sagemaker.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="flowers")


def test_a_target_that_is_reached_ends_the_search(sagemaker: StandInSageMaker) -> None:
    tune(
        sagemaker, PROGRAM, GRID, parallel=1,
        TuningJobCompletionCriteria={"TargetObjectiveMetricValue": 0.9},
    )  # fmt: skip
    assert ended(sagemaker)["HyperParameterTuningJobStatus"] == "Completed"
    assert len(trials(sagemaker)) == 2


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (FAILING, "No training job succeeded after 5 attempts"),
        ("print('accuracy: high')", "No objective metrics found after running 5 training jobs"),
    ],
)
def test_a_search_without_an_objective_ends_early(
    sagemaker: StandInSageMaker, program: str, reason: str
) -> None:
    tune(sagemaker, program, GRID, parallel=1)
    described = ended(sagemaker)
    assert described["HyperParameterTuningJobStatus"] == "Failed"
    assert described["FailureReason"].startswith(reason)
    assert len(trials(sagemaker)) == 5
    assert sagemaker.platform.events[-1][2] == "SageMaker HyperParameter Tuning Job State Change"
    assert sagemaker.platform.events[-1][3]["HyperParameterTuningJobStatus"] == "Failed"


def test_a_failed_trial_does_not_end_the_search(sagemaker: StandInSageMaker) -> None:
    program = f"import sys\nif '0.1' in sys.argv: {FAILING}\n{PROGRAM}"
    tune(sagemaker, program, GRID, parallel=3)
    described = ended(sagemaker)
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["TrainingJobStatusCounters"]["NonRetryableError"] == 2
    assert described["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 2}
    assert trials(sagemaker, StatusEquals="Failed")[0]["FailureReason"].startswith("Algorithm")


def range_of(low: str, high: str, scaling: str = "Auto") -> dict[str, Any]:
    each = {"Name": "rate", "MinValue": low, "MaxValue": high, "ScalingType": scaling}
    return {"ContinuousParameterRanges": [each]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ranges": GRID, "name": "a" * 33}, "length less than or equal to 32"),
        ({"ranges": GRID, "Strategy": "Bayesian"}, "Grid and Random; got Bayesian"),
        ({"ranges": GRID, "Strategy": "Hyperband"}, "Grid and Random; got Hyperband"),
        ({"ranges": RANDOM, "Strategy": "Grid"}, "takes categorical ranges only"),
        ({"ranges": GRID, "trials": 5}, "the number of combinations, 6"),
        ({"ranges": RANDOM}, "needs MaxNumberOfTrainingJobs"),
        ({"ranges": RANDOM, "trials": 10_001}, "up to 10000 training jobs"),
        ({"ranges": RANDOM, "trials": 1}, "got 1 and 2"),
        ({"ranges": RANDOM, "trials": 200, "parallel": 101}, "got 200 and 101"),
        ({"ranges": {}, "trials": 2}, "1 to 30 ranges"),
        ({"ranges": range_of("1", "0.5"), "trials": 2}, "got 1 and 0.5"),
        ({"ranges": range_of("low", "0.5"), "trials": 2}, "must be numbers of type float"),
        ({"ranges": range_of("0", "1", "Logarithmic"), "trials": 2}, "scaled as Logarithmic"),
        ({"ranges": range_of("0", "1", "ReverseLogarithmic"), "trials": 2}, "from 0 to below 1"),
        (
            {"ranges": {"CategoricalParameterRanges": [
                {"Name": "sagemaker_program", "Values": ["a"]}]}, "trials": 2},
            "not in StaticHyperParameters too",
        ),
        (
            {"ranges": GRID, "HyperParameterTuningJobObjective": {
                "Type": "Maximize", "MetricName": "valid_accuracy"}},
            "A metric is required for this hyperparameter tuning job objective",
        ),
        (
            {"ranges": GRID, "TuningJobCompletionCriteria": {"ConvergenceDetected": {}}},
            "do not support",
        ),
    ],
)  # fmt: skip
def test_an_invalid_search_is_refused(
    sagemaker: StandInSageMaker, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(AwsError, match=message) as refused:
        tune(sagemaker, PROGRAM, **options)
    assert refused.value.code == "ValidationException"
    assert sagemaker.call("ListHyperParameterTuningJobs")["HyperParameterTuningJobSummaries"] == []


def test_the_definition_of_the_trials_is_checked_at_once(sagemaker: StandInSageMaker) -> None:
    request = tuning_request(GRID)
    request["TrainingJobDefinition"]["EnableManagedSpotTraining"] = True
    with pytest.raises(AwsError, match="MaxWaitTimeInSeconds"):
        sagemaker.call("CreateHyperParameterTuningJob", **request)
    request["Autotune"] = {"Mode": "Enabled"}
    with pytest.raises(AwsError, match="do not support Autotune"):
        sagemaker.call("CreateHyperParameterTuningJob", **request)


def test_a_name_is_taken_for_good(sagemaker: StandInSageMaker) -> None:
    tune(sagemaker, PROGRAM, RANDOM, trials=1, parallel=1)
    ended(sagemaker)
    with pytest.raises(AwsError, match="a tuning job with this name already exists") as refused:
        tune(sagemaker, PROGRAM, RANDOM, trials=1, parallel=1)
    assert refused.value.code == "ResourceInUse"
