"""The states that keep a model's archive and register it as a model package."""

import json

from stacks.components.training import states
from stacks.components.training.hexadecimal import sha256_hexadecimal
from stacks.components.training.states import (
    CANDIDATE_FOLDER,
    EXECUTION_NAME,
    State,
    archive_key,
)

_METRICS = "metrics.json"
_FAILED = "RegistrationFailed"
_CONTENT_TYPES = ["image/jpeg", "image/png", "image/webp"]
# CustomerMetadataProperties: 1 to 256 letters, digits and `_.:/=+-@` each. What is unknown is left
# out.
_MAX_LENGTH = 256
_OF_METRICS = (
    "test_split_sha256",
    "test_images",
    "name",
    "version",
    "architecture",
    "class_count",
    "model_bytes",
    "milliseconds_per_image",
)
_METADATA = (
    "{% ( $known := $merge([ "
    f"$sift($metrics, function($value, $name) {{ $name in {json.dumps(_OF_METRICS)} }}), "
    "{'sha256': $sha256, "
    "'data_version': $type($metrics.data_version) = 'string' ? $metrics.data_version "
    ": $states.input.data_version, "
    "'commit': $exists($states.input.commit) ? $states.input.commit : 'unknown', "
    "'test_accuracy': $verdict.accuracy, "
    "'compared_with': $verdict.compared_with, "
    f"'execution': {EXECUTION_NAME}, "
    "'training_job': $job.name} ]); "
    "$merge($each($known, function($value, $name) { ( "
    r"$text := $substring($replace($string($value), /[^A-Za-z0-9_.:\/=+@-]/, '-'), "
    f"0, {_MAX_LENGTH}); "
    "$text = '' or $type($value) = 'null' ? {} : {$name: $text} ) })) ) %}"
)
_DESCRIPTION = (
    "{% 'Test accuracy ' & $string($verdict.accuracy) & ', compared with: ' "
    "& $verdict.compared_with %}"
)
# Registered once, however often the request is retried.
_TOKEN = "{% $substring($hash($states.context.Execution.Id, 'SHA-256'), 0, 32) %}"  # noqa: S105


def registration_states(
    *, models_bucket: str, package_group: str, image_uri: str, then: str
) -> dict[str, State]:
    """Return the states that copy the archive, hash it, and create the model package.

    They assign `$sha256` and `$package`, the ARN of the package.

    Args:
        models_bucket: name of the bucket.
        package_group: name of the model package group.
        image_uri: URI of the serving image.
        then: the next state.
    """
    catch = [states.catch("Registering the model", error=_FAILED)]
    bucket_url = f"'s3://{models_bucket}/'"
    metrics_key = f"{CANDIDATE_FOLDER} & '/{_METRICS}'"
    return {
        # SageMaker packs the archive when the script has ended: nothing in the job knows its hash.
        "KeepArchive": states.call(
            "aws-sdk:s3:copyObject",
            {
                "CopySource": "{% $substringAfter($job.artifact, 's3://') %}",
                "Bucket": models_bucket,
                "Key": f"{{% {archive_key()} %}}",
                "ChecksumAlgorithm": "SHA256",
            },
            assign={"checksums": "{% [$states.result.CopyObjectResult.ChecksumSHA256] %}"},
            catch=catch,
            then="IsHashed",
        ),
        "IsHashed": {
            "Type": "Choice",
            "Choices": [
                states.refuse(
                    "$count($checksums) = 0 ? true : $length($checksums[0]) != 44",
                    _FAILED,
                    "'S3 has returned no sha256 of ' & $job.artifact",
                )
            ],
            "Default": "KeepMetrics",
            "Assign": {"sha256": f"{{% {sha256_hexadecimal('$checksums[0]')} %}}"},
        },
        "KeepMetrics": states.call(
            "aws-sdk:s3:copyObject",
            {
                "CopySource": "{% $substringAfter($job.checkpoints, 's3://') & '/' & $job.name "
                f"& '/{_METRICS}' %}}",
                "Bucket": models_bucket,
                "Key": f"{{% {metrics_key} %}}",
            },
            catch=catch,
            then="RegisterModel",
        ),
        "RegisterModel": states.call(
            "aws-sdk:sagemaker:createModelPackage",
            {
                "ModelPackageGroupName": package_group,
                "ModelPackageDescription": _DESCRIPTION,
                "ModelApprovalStatus": "PendingManualApproval",
                "InferenceSpecification": {
                    "Containers": [
                        {
                            "Image": image_uri,
                            "ModelDataUrl": f"{{% {bucket_url} & {archive_key()} %}}",
                        }
                    ],
                    "SupportedContentTypes": _CONTENT_TYPES,
                    "SupportedResponseMIMETypes": ["application/json"],
                },
                "ModelMetrics": {
                    "ModelQuality": {
                        "Statistics": {
                            "ContentType": "application/json",
                            "S3Uri": f"{{% {bucket_url} & {metrics_key} %}}",
                        }
                    }
                },
                "CustomerMetadataProperties": _METADATA,
                "ClientToken": _TOKEN,
            },
            assign={"package": "{% $states.result.ModelPackageArn %}"},
            catch=catch,
            then=then,
        ),
    }
