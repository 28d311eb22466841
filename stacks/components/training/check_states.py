"""The first states: is the input valid, and is all of it there?"""

import json

from stacks.components.training import states
from stacks.components.training.execution_input import (
    DATASET_PREFIX,
    EXPECTED_INPUT,
    INPUT_PROBLEMS,
    SPLITS,
)
from stacks.components.training.states import State, archive_key

DATASET_FILE = "dataset.jsonl"  # uploaded last: a dataset without it is incomplete
WHEELS_FILE = "complete.json"  # likewise
_EXPECTED = json.dumps([DATASET_FILE, *(f"{split}/" for split in SPLITS)])
_MISSING = (
    f"[$filter({_EXPECTED}, "
    f"function($name) {{ $not(({DATASET_PREFIX} & '/' & $name) in $found) }})]"
)


def check_states(
    *, datasets_bucket: str, models_bucket: str, wheels_prefix: str | None, then: str
) -> dict[str, State]:
    """Return the states that check an execution before it costs anything.

    Args:
        datasets_bucket: name of the bucket.
        models_bucket: name of the bucket.
        wheels_prefix: S3 prefix of the packages that a job installs; None: the image has them.
        then: the next state.
    """
    checks: dict[str, State] = {
        "CheckInput": {
            "Type": "Pass",
            "Assign": {"problems": INPUT_PROBLEMS, "attempt": 1},
            "Next": "IsInputValid",
        },
        "IsInputValid": {
            "Type": "Choice",
            "Choices": [
                states.refuse(
                    "$problems != ''", "InvalidInput", f"$problems & '. {EXPECTED_INPUT}'"
                )
            ],
            "Default": "ListArchives",
        },
        # Step Functions takes a name again after 90 days, or from another state machine: the
        # archive of a package would be overwritten.
        "ListArchives": states.call(
            "aws-sdk:s3:listObjectsV2",
            {"Bucket": models_bucket, "Prefix": f"{{% {archive_key()} %}}", "MaxKeys": 1},
            assign={"archives": "{% [$states.result.Contents.Key] %}"},
            catch=[states.catch("Looking for the archive of an earlier execution")],
            then="IsNameNew",
        ),
        "IsNameNew": {
            "Type": "Choice",
            "Choices": [
                states.refuse(
                    "$count($archives) > 0",
                    "InvalidInput",
                    f"'The name of the execution must be new: s3://{models_bucket}/' "
                    "& $archives[0] & ' is the model of an earlier one'",
                )
            ],
            "Default": "ListDataset",
        },
        "ListDataset": states.call(
            "aws-sdk:s3:listObjectsV2",
            {
                "Bucket": datasets_bucket,
                "Prefix": f"{{% {DATASET_PREFIX} & '/' %}}",
                "Delimiter": "/",
            },
            assign={
                "found": (
                    "{% $append([$states.result.Contents.Key], "
                    "[$states.result.CommonPrefixes.Prefix]) %}"
                )
            },
            catch=[states.catch("Looking for the dataset")],
            then="IsDatasetThere",
        ),
        "IsDatasetThere": {
            "Type": "Choice",
            "Choices": [
                states.refuse(
                    f"$count({_MISSING}) > 0",
                    "DatasetMissing",
                    f"'s3://{datasets_bucket}/' & {DATASET_PREFIX} & ' has no ' "
                    f"& $join({_MISSING}, ', ') & ': `make dataset DATA=<folder>` uploads a "
                    "dataset and prints its dataset_prefix'",
                )
            ],
            "Default": "ListWheels" if wheels_prefix else then,
        },
    }
    if wheels_prefix is not None:
        checks |= _wheel_states(datasets_bucket, wheels_prefix, then)
    return checks


def _wheel_states(bucket: str, prefix: str, then: str) -> dict[str, State]:
    key = f"{prefix}{WHEELS_FILE}"
    return {
        "ListWheels": states.call(
            "aws-sdk:s3:listObjectsV2",
            {"Bucket": bucket, "Prefix": key, "MaxKeys": 1},
            assign={"wheels": "{% [$states.result.Contents.Key] %}"},
            catch=[states.catch("Looking for the packages of a job")],
            then="AreWheelsThere",
        ),
        "AreWheelsThere": {
            "Type": "Choice",
            "Choices": [
                states.refuse(
                    "$count($wheels) = 0",
                    "WheelsMissing",
                    f"'s3://{bucket}/{key} is missing: `make train ON=sagemaker` uploads the "
                    "packages of model_code/requirements-job.txt'",
                )
            ],
            "Default": then,
        },
    }
