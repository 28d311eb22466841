"""The requests that start a training job, or a tuning job of the same definition."""

import json
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from stacks.components.network.placement import Placement
from stacks.components.storage.buckets import CHECKPOINT_PREFIX, Buckets
from stacks.components.training.container import (
    CHECKPOINT_FOLDER,
    TUNING_OBJECTIVE,
    algorithm_specification,
    script_mode_hyperparameters,
)
from stacks.components.training.execution_input import DATASET_PREFIX, SPLITS
from stacks.components.training.source_address import SourceAddress
from stacks.components.training.states import EXECUTION_NAME
from stacks.components.training.tuning_input import PARAMETER_RANGES, RESOURCE_LIMITS, STRATEGY
from stacks.names import MODEL_PREFIX
from stacks.settings import instance_types
from stacks.settings.stage import StageSettings

Request = dict[str, Any]

_PROFILING_INTERVAL_MS = 500


@dataclass(frozen=True, kw_only=True)
class JobDefinition:
    """What the requests have in common.

    The input of the execution, which `execution_input` validates, is in `$states.input`; the
    variable `$attempt` counts the jobs of the execution.

    Not CDK's SageMakerCreateTrainingJob, which grants far more permissions than it uses. A member
    that a setting requires is in a request only then: Step Functions accepts a list of members.

    Attributes:
        settings: of the stage.
        image: URI of the training image.
        role: execution role of the jobs.
        buckets: of the stage.
        key: encrypts output and volumes; None: the account's own key of S3 and one of SageMaker's.
        source: where a job finds its source.
        wheels_prefix: S3 prefix of the packages that a job installs; None: the image has them.
        placement: where the jobs run; None: in SageMaker's own network.
    """

    settings: StageSettings
    image: str
    role: iam.IRole
    buckets: Buckets
    key: kms.IKey | None
    source: SourceAddress
    wheels_prefix: str | None
    placement: Placement | None

    def training_job(self) -> Request:
        """Return the arguments of CreateTrainingJob."""
        profiler = {
            "S3OutputPath": self.buckets.models.s3_url_for_object(MODEL_PREFIX),
            "ProfilingIntervalInMilliseconds": _PROFILING_INTERVAL_MS,
        }
        return {
            "TrainingJobName": _training_job_name(self.settings.name),
            "HyperParameters": self._hyperparameters(),
            **self._common(),
            **({"ProfilerConfig": profiler} if self.settings.training.profile else {}),
        }

    def tuning_job(self) -> Request:
        """Return the arguments of CreateHyperParameterTuningJob."""
        return {
            "HyperParameterTuningJobName": _tuning_job_name(self.settings.name),
            "HyperParameterTuningJobConfig": {
                "Strategy": STRATEGY,
                "HyperParameterTuningJobObjective": {
                    "Type": "Maximize",
                    "MetricName": TUNING_OBJECTIVE,
                },
                "ResourceLimits": RESOURCE_LIMITS,
                "ParameterRanges": PARAMETER_RANGES,
            },
            "TrainingJobDefinition": {
                "StaticHyperParameters": self._hyperparameters(),
                **self._common(),
            },
        }

    def _common(self) -> Request:
        training = self.settings.training
        stopping = {"MaxRuntimeInSeconds": training.max_runtime_seconds}
        if training.max_wait_seconds is not None:
            stopping["MaxWaitTimeInSeconds"] = training.max_wait_seconds
        wanted = {
            "EnableManagedSpotTraining": training.use_spot,
            "EnableNetworkIsolation": training.network_isolation,
            "EnableInterContainerTrafficEncryption": training.encrypt_traffic_between_instances,
        }
        checkpoints = self.buckets.models.s3_url_for_object(CHECKPOINT_PREFIX)
        return {
            "RoleArn": self.role.role_arn,
            "AlgorithmSpecification": algorithm_specification(self.image),
            "InputDataConfig": self._channels(),
            "OutputDataConfig": {
                "S3OutputPath": self.buckets.models.s3_url_for_object(MODEL_PREFIX),
                **({} if self.key is None else {"KmsKeyId": self.key.key_arn}),
            },
            # A folder for each execution: a job downloads all of the address before it starts.
            "CheckpointConfig": {
                "S3Uri": f"{{% '{checkpoints}/' & {EXECUTION_NAME} %}}",
                "LocalPath": CHECKPOINT_FOLDER,
            },
            "ResourceConfig": self._resources(),
            "StoppingCondition": stopping,
            **({} if self.placement is None else {"VpcConfig": self.placement.of_job}),
            **{member: True for member, is_wanted in wanted.items() if is_wanted},
        }

    def _resources(self) -> Request:
        training = self.settings.training
        resources: Request = {
            "InstanceType": training.instance_type,
            "InstanceCount": (
                "{% $exists($states.input.instances) ? $states.input.instances "
                f": {training.instance_count} %}}"
            ),
            "VolumeSizeInGB": training.volume_size_gib,
        }
        # SageMaker rejects a volume key for instance types with local storage.
        if self.key and not instance_types.has_local_storage(training.instance_type):
            resources["VolumeKmsKeyId"] = self.key.key_arn
        return resources

    def _hyperparameters(self) -> str:
        """Return an expression for all hyperparameters as texts; ours override the caller's."""
        ours = json.dumps(script_mode_hyperparameters(self.source.submit_directory))
        callers = (
            "$exists($states.input.hyperparameters) ? $each($states.input.hyperparameters, "
            "function($value, $name) { { $name: $string($value) } }) : []"
        )
        return f"{{% $merge($append({callers}, {ours})) %}}"

    def _channels(self) -> str:
        """Return an expression for one channel for each split, and those of packages and source."""
        bucket = self.buckets.datasets
        split = _channel("<split>", "<address>")
        # The two values that depend on the input are expressions instead of texts.
        template = (
            json.dumps(split)
            .replace('"<split>"', "$split")
            .replace(
                '"<address>"',
                f"'s3://{bucket.bucket_name}/' & {DATASET_PREFIX} & '/' & $split & '/'",
            )
        )
        others = [_channel(name, url) for name, url in self.source.channels.items()]
        if self.wheels_prefix is not None:
            others.append(_channel("wheels", bucket.s3_url_for_object(self.wheels_prefix)))
        return (
            f"{{% $append($map({json.dumps(SPLITS)}, function($split) {{ {template} }}), "
            f"{json.dumps(others)}) %}}"
        )


def _channel(name: str, url: str) -> Request:
    return {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3DataDistributionType": "FullyReplicated",
                "S3Uri": url,
            }
        },
    }


# Another value for each execution, and for each time that it enters the state: an execution's name
# has 80 characters of any kind and can be reused after 90 days, a job's name cannot.
_ENTERED = "$states.context.Execution.Id & $states.context.State.EnteredTime"
_ATTEMPT = "'-' & $string($attempt) & '-' & $string($states.context.State.RetryCount)"


def _training_job_name(prefix: str) -> str:
    """Return an expression for a unique name of at most 63 letters, digits and hyphens.

    The stage, 32 digits of a hash, the number of the job in the execution and of the retry.
    """
    return f"{{% '{prefix}-' & $substring($hash({_ENTERED}, 'SHA-256'), 0, 32) & {_ATTEMPT} %}}"


def _tuning_job_name(prefix: str) -> str:
    """Return an expression for a unique name of at most 32 characters; its jobs' begin with it."""
    hashed = f"$hash({_ENTERED} & {_ATTEMPT}, 'SHA-256')"
    return f"{{% '{prefix}-' & $substring({hashed}, 0, 7) %}}"
