"""The Step Functions state that runs a SageMaker training job."""

import json
from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as s3_assets

from stacks.components.storage.buckets import MODEL_PREFIX, Buckets
from stacks.components.training.container import (
    algorithm_specification,
    script_mode_hyperparameters,
)
from stacks.components.training.execution_input import DATASET_PREFIX, GIVEN_SPLITS
from stacks.settings import instance_types
from stacks.settings.stage import StageSettings
from stacks.settings.training import TrainingSettings

# AWS's samples, SDK and documentation use different error names for throttling: retry all of them.
_RETRY_THROTTLING = {
    "ErrorEquals": ["SageMaker.ThrottlingException", "ThrottlingException"],
    "IntervalSeconds": 10,
    "BackoffRate": 2,
    "MaxAttempts": 5,
    "JitterStrategy": "FULL",
}
# Any other error of SageMaker, including invalid requests and throttling.
_RETRY_UNNAMED = {
    "ErrorEquals": ["SageMaker.AmazonSageMakerException"],
    "IntervalSeconds": 20,
    "BackoffRate": 2,
    "MaxAttempts": 2,
    "JitterStrategy": "FULL",
}
# The account's quota of running jobs is used up: retry when another job has ended. In a new account
# the quota is 0, and waiting does not help.
_RETRY_LIMITS = {
    "ErrorEquals": ["SageMaker.ResourceLimitExceededException"],
    "IntervalSeconds": 120,
    "BackoffRate": 1,
    "MaxAttempts": 3,
}


def create_training_job_task(
    *,
    settings: StageSettings,
    image: str,
    role: iam.IRole,
    buckets: Buckets,
    key: kms.IKey,
    source: s3_assets.Asset,
) -> dict[str, Any]:
    """Return a state that runs a training job to its end, in Amazon States Language with JSONata.

    Its input is validated by `execution_input`: `{"dataset_prefix": "...", "splits": ["train",
    "valid"], "hyperparameters": {"name": value}}`. The prefix contains one folder for each split
    in the datasets bucket, and the hyperparameters are flags of train.py. The variable `$attempt`
    counts the jobs of the execution. The result is DescribeTrainingJob's response.

    Not CDK's SageMakerCreateTrainingJob, which grants far more permissions than it uses.
    """
    return {
        "Type": "Task",
        "Resource": f"arn:{Aws.PARTITION}:states:::sagemaker:createTrainingJob.sync",
        "Arguments": {
            "TrainingJobName": _job_name(settings.name),
            "RoleArn": role.role_arn,
            "AlgorithmSpecification": algorithm_specification(image),
            "HyperParameters": _hyperparameters(source.s3_object_url),
            "InputDataConfig": _channels(buckets.datasets.bucket_name),
            "OutputDataConfig": {
                "S3OutputPath": buckets.models.s3_url_for_object(MODEL_PREFIX),
                "KmsKeyId": key.key_arn,
            },
            "ResourceConfig": _resources(settings.training, key),
            "StoppingCondition": {"MaxRuntimeInSeconds": settings.training.max_runtime_seconds},
        },
        "Retry": [_RETRY_THROTTLING, _RETRY_UNNAMED, _RETRY_LIMITS],
    }


def _job_name(prefix: str) -> str:
    """Return an expression for a unique name of at most 63 letters, digits and hyphens.

    An execution's name has up to 80 characters of any kind and can be reused after 90 days; a
    job's name cannot. The job's name consists of the stage, 32 digits of a hash of the execution
    and the time when it entered the state (a redrive enters it again), the number of the job in the
    execution, and the number of the retry.
    """
    entered = "$states.context.Execution.Id & $states.context.State.EnteredTime"
    return (
        f"{{% '{prefix}-' & $substring($hash({entered}, 'SHA-256'), 0, 32)"
        " & '-' & $string($attempt) & '-' & $string($states.context.State.RetryCount) %}"
    )


def _hyperparameters(source_url: str) -> str:
    """Return an expression for all hyperparameters as strings; ours override the caller's."""
    ours = json.dumps(script_mode_hyperparameters(source_url))
    callers = (
        "$exists($states.input.hyperparameters) ? $each($states.input.hyperparameters, "
        "function($value, $name) { { $name: $string($value) } }) : []"
    )
    return f"{{% $merge($append({callers}, {ours})) %}}"


def _resources(training: TrainingSettings, key: kms.IKey) -> dict[str, Any]:
    resources: dict[str, Any] = {
        "InstanceType": training.instance_type,
        "InstanceCount": training.instance_count,
        "VolumeSizeInGB": training.volume_size_gib,
    }
    # SageMaker rejects a volume key for instance types with local storage.
    if not instance_types.has_local_storage(training.instance_type):
        resources["VolumeKmsKeyId"] = key.key_arn
    return resources


def _channels(bucket_name: str) -> str:
    """Return an expression for one channel for each split."""
    channel = (
        "{'ChannelName': $split, 'DataSource': {'S3DataSource': {"
        "'S3DataType': 'S3Prefix', 'S3DataDistributionType': 'FullyReplicated', "
        f"'S3Uri': 's3://{bucket_name}/' & {DATASET_PREFIX} & '/' & $split & '/'}}}}}}"
    )
    return f"{{% $map({GIVEN_SPLITS}, function($split) {{ {channel} }}) %}}"
