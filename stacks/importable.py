"""The resources that may exist before their stack does, and that are then imported into it.

Their names are prescribed, so that a stack cannot create a second one. Their logical ids are
literals, because an import states them. This module imports no CDK, so that tools start fast.
"""

ENDPOINT_LOG_GROUP_ID = "EndpointLogGroup"
MODEL_PACKAGE_GROUP_ID = "ModelPackageGroup"
MODELS_BUCKET_OUTPUT = "ModelsBucketName"


def endpoint_log_group_name(endpoint_name: str) -> str:
    """Return the name of the log group that SageMaker writes an endpoint's logs to.

    Source: docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html
    """
    return f"/aws/sagemaker/Endpoints/{endpoint_name}"
