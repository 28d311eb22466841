"""The request that starts a batch transform job."""

from typing import Any

from aws_cdk import aws_kms as kms

from stacks.components.storage.buckets import Buckets
from stacks.names import BATCH_INPUT_PREFIX, BATCH_OUTPUT_PREFIX
from stacks.settings import instance_types
from stacks.settings.stage import StageSettings

Request = dict[str, Any]

# NVIDIA's driver 535, the newest of these: without it a job gets 470, on which CUDA 12 does not
# start (docs.aws.amazon.com/sagemaker/latest/APIReference/API_TransformResources.html).
_GPU_AMI = "al2-ami-sagemaker-batch-gpu-535"
# The server reads an image's format from its bytes, and a job has one type for all images.
_CONTENT_TYPE = "application/octet-stream"
_RUN = "$states.input.run"
_ATTEMPT = "$string($states.input.attempt)"
_RETRY = "$string($states.context.State.RetryCount)"


def transform_request(
    settings: StageSettings, *, model_name: str, buckets: Buckets, key: kms.IKey | None
) -> Request:
    """Return the arguments of CreateTransformJob, for an execution's input of `run` and `attempt`.

    Its members are those that Step Functions' own integration lists
    (docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html).

    Args:
        settings: of the stage.
        model_name: of the Model.
        buckets: of the stage; that of captures has images and results.
        key: encrypts results and volumes; None: the account's own key of S3 and one of SageMaker's.
    """
    batch = settings.batch
    bucket = buckets.captures.bucket_name
    manifest = f"s3://{bucket}/{BATCH_INPUT_PREFIX}/"
    output = f"s3://{bucket}/{BATCH_OUTPUT_PREFIX}/"
    return {
        # At most 63 characters: the stage's name 24, the run's 28, three digits and one.
        "TransformJobName": (
            f"{{% '{settings.name}-' & {_RUN} & '-' & {_ATTEMPT} & '-' & {_RETRY} %}}"
        ),
        "ModelName": model_name,
        # Whole objects: one request and one output for each image.
        "BatchStrategy": "SingleRecord",
        "MaxConcurrentTransforms": batch.max_concurrent_transforms,
        "MaxPayloadInMB": batch.max_payload_mb,
        "TransformInput": {
            "ContentType": _CONTENT_TYPE,
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "ManifestFile",
                    "S3Uri": f"{{% '{manifest}' & {_RUN} & '-' & {_ATTEMPT} & '.manifest' %}}",
                }
            },
        },
        "TransformOutput": {
            "S3OutputPath": f"{{% '{output}' & {_RUN} %}}",
            "Accept": "application/json",
            **({} if key is None else {"KmsKeyId": key.key_arn}),
        },
        "TransformResources": _resources(settings, key),
    }


def _resources(settings: StageSettings, key: kms.IKey | None) -> Request:
    kind = settings.batch_instance_type
    resources: Request = {
        "InstanceType": kind,
        "InstanceCount": settings.batch.instance_count,
    }
    # SageMaker rejects a volume key for instance types with local storage.
    if key is not None and not instance_types.has_local_storage(kind):
        resources["VolumeKmsKeyId"] = key.key_arn
    if instance_types.has_gpu(kind):
        resources["TransformAmiVersion"] = _GPU_AMI
    return resources
