"""Records the requests of the examples, in the environment of `make sdk`.

    .venvs/sdk/bin/python tests/examples/record.py

The SDK is too large for the environments of the tests: they check what was recorded here, and that
the examples have not changed since.
"""

import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("requests.json")
ARN = "arn:aws:sagemaker:eu-west-1:123456789012"
ROLE = "arn:aws:iam::123456789012:role/training"
OUTPUTS = {
    "whippet-dev-training": {
        "DatasetsBucket": "datasets",
        "JobImage": "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch:2.14-cpu",
        "JobRoleArn": ROLE,
        "JobSource": "s3://assets/0123.gz",
        "JobWheels": "wheels/0123/",
    },
    "whippet-dev-storage": {"ModelsBucketName": "models"},
}
# What each example is given.
RUNS = {
    "train": ("datasets/flowers/3f2a9c01b7de", "--no-wait"),
    "tune": ("datasets/flowers/3f2a9c01b7de", "--no-wait"),
    "invoke": (str(ROOT / "samples" / "cat.jpg"), "--top-k", "3"),
}


def examples_sha256() -> str:
    """Return a hash of the examples' code."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "examples").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def respond(operation: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return what AWS would respond, as far as the SDK reads it."""
    if operation == "DescribeStacks":
        values = OUTPUTS[given["StackName"]]
        listed = [{"OutputKey": key, "OutputValue": value} for key, value in values.items()]
        return {"Stacks": [{"Outputs": listed}]}
    if operation == "InvokeEndpoint":
        content = {"predictions": [{"label": "cat", "probability": 0.9}]}
        return {"Body": io.BytesIO(json.dumps(content).encode()), "ContentType": "application/json"}
    name = next((str(value) for key, value in given.items() if key.endswith("JobName")), "")
    responses: dict[str, dict[str, Any]] = {
        "GetCallerIdentity": {"Account": "123456789012", "Arn": ROLE},
        "GetRole": {"Role": {"Arn": ROLE}},
        "CreateTrainingJob": {"TrainingJobArn": f"{ARN}:training-job/{name}"},
        "DescribeTrainingJob": {"TrainingJobName": name, "TrainingJobStatus": "InProgress"},
        "CreateHyperParameterTuningJob": {
            "HyperParameterTuningJobArn": f"{ARN}:hyper-parameter-tuning-job/{name}"
        },
        "DescribeHyperParameterTuningJob": {
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobStatus": "InProgress",
        },
        "DescribeEndpoint": {"EndpointName": "whippet-dev", "EndpointStatus": "InService"},
    }
    return responses[operation]


@contextmanager
def recording() -> Iterator[list[tuple[str, str, dict[str, Any]]]]:
    """Record each call of a service, which is not made."""
    import botocore.client

    requests: list[tuple[str, str, dict[str, Any]]] = []

    def call(client: Any, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        requests.append((client.meta.service_model.service_name, operation, given))
        return respond(operation, given)

    with mock.patch.object(botocore.client.BaseClient, "_make_api_call", call):
        yield requests


def main() -> None:
    """Run each example, and write what it sent to SageMaker."""
    # Not as a module: the SDK's packages bring another folder `tests`.
    sys.path.insert(0, str(ROOT))
    environment = {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    found: dict[str, Any] = {"examples_sha256": examples_sha256()}
    with mock.patch.dict("os.environ", environment):
        for name, arguments in RUNS.items():
            found[name] = _requests_of(name, arguments)
    RECORD.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"Wrote {RECORD.relative_to(ROOT)}")


def _requests_of(name: str, arguments: tuple[str, ...]) -> list[Any]:
    import importlib

    run: Callable[[], None] = importlib.import_module(f"examples.{name}").main
    with (
        recording() as requests,
        mock.patch.object(sys, "argv", [name, "--stage", "dev", *arguments]),
    ):
        run()
    return [
        {"service": service, "operation": operation, "request": _plain(given)}
        for service, operation, given in requests
        if service.startswith("sagemaker")
    ]


def _plain(value: Any) -> Any:
    """Return a request as JSON: of bytes, the sha256."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return {"sha256": hashlib.sha256(value).hexdigest()}
    return value


if __name__ == "__main__":
    main()
