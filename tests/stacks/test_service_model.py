"""The checker of requests: a valid request, and invalid variants of it."""

from typing import Any

import pytest

from tests.stacks.service_model import request_problems

JOB: dict[str, Any] = {
    "TrainingJobName": "whippet-dev-0",
    "RoleArn": "arn:aws:iam::123456789012:role/job",
    "OutputDataConfig": {"S3OutputPath": "s3://models/training"},
    "AlgorithmSpecification": {"TrainingInputMode": "File", "ContainerArguments": ["x" * 256]},
    "HyperParameters": {"epochs": "3"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "Tags": [{"Key": "müsli", "Value": ""}],
    "EnableNetworkIsolation": True,
}


def problems(**changes: Any) -> list[str]:
    return request_problems("sagemaker", "CreateTrainingJob", {**JOB, **changes})


def test_a_request_within_its_bounds_has_no_problem() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"TrainingJobName": "x" * 64}, "TrainingJobName: length 64, expected at most 63"),
        ({"TrainingJobName": "a_b"}, "TrainingJobName: 'a_b' does not match"),
        # fullmatch, and not a match up to the end of the line
        ({"TrainingJobName": "whippet\n"}, r"TrainingJobName: 'whippet\n' does not match"),
        ({"RoleArn": "arn:aws:iam"}, "RoleArn: length 11, expected at least 20"),
        ({"RoleArn": 7}, "RoleArn: expected string, got 7"),
        (
            {"AlgorithmSpecification": {"TrainingInputMode": "Files"}},
            "TrainingInputMode: 'Files', expected one of Pipe, File, FastFile",
        ),
        ({"AlgorithmSpecification": {}}, "AlgorithmSpecification: TrainingInputMode is missing"),
        ({"AlgorithmSpecifications": {}}, "unknown member AlgorithmSpecifications"),
        ({"HyperParameters": {"epochs": 3}}, "HyperParameters['epochs']: expected string, got 3"),
        ({"HyperParameters": {"x" * 257: ""}}, "HyperParameters key: length 257"),
        ({"HyperParameters": {str(n): "" for n in range(101)}}, "HyperParameters: length 101"),
        ({"HyperParameters": {"name": "x" * 2501}}, "['name']: length 2501, expected at most 2500"),
        ({"ResourceConfig": {"InstanceCount": -1}}, "value -1, expected at least 0"),
        ({"ResourceConfig": {"InstanceCount": True}}, "expected integer, got True"),
        ({"ResourceConfig": {"InstanceType": "ml.huge"}}, "'ml.huge', expected one of"),
        ({"Tags": [{"Key": "a;b", "Value": ""}]}, "Tags[0].Key: 'a;b' does not match"),
        ({"Tags": {}}, "Tags: expected list, got {}"),
    ],
)
def test_a_request_that_the_service_would_refuse_is_found(
    change: dict[str, Any], problem: str
) -> None:
    assert any(problem in found for found in problems(**change))


def test_a_shell_script_as_an_argument_is_refused() -> None:
    """An argument has at most 256 characters and no line break."""
    script = "python -m pip install onnx\n" + "x" * 256
    algorithm = {"TrainingInputMode": "File", "ContainerArguments": [script]}
    too_long, line_break = problems(AlgorithmSpecification=algorithm)
    assert "ContainerArguments[0]: length 283, expected at most 256" in too_long
    assert line_break.endswith("does not match .*")
