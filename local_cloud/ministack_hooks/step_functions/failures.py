"""The names and causes that Step Functions gives to the errors of AWS services.

Optimized integrations use version 1 of the SDK for Java (`SageMaker.AmazonSageMakerException`),
those of `aws-sdk:` version 2 (`SageMaker.SageMakerException`). An error that the service's model
does not list, such as AccessDeniedException, has the service's general name.
"""

from botocore.exceptions import ClientError
from botocore.model import OperationModel
from ministack.services import stepfunctions

from local_cloud.ministack_hooks.step_functions.integrations import Integration
from local_cloud.ministack_hooks.step_functions.names import member_name

_GENERAL_OPTIMIZED = {
    "lambda": ("Lambda", "AWSLambdaException"),
    "sagemaker": ("SageMaker", "AmazonSageMakerException"),
    "sns": ("SNS", "AmazonSNSException"),
}
# The name of the service in a cause of version 1.
_SERVICE_OPTIMIZED = {"lambda": "AWSLambda", "sagemaker": "AmazonSageMaker", "sns": "AmazonSNS"}


def task_error(integration: Integration, error: ClientError) -> Exception:
    """Return the error of a task whose service responded with an error."""
    response = error.response
    code, message = response["Error"].get("Code", ""), response["Error"].get("Message", "")
    metadata = response.get("ResponseMetadata", {})
    status, request_id = metadata.get("HTTPStatusCode", 400), metadata.get("RequestId", "")
    modeled = _modeled_name(integration.operation, code)
    if integration.is_optimized:
        prefix, general = _GENERAL_OPTIMIZED[integration.service]
        cause = (
            f"{message} (Service: {_SERVICE_OPTIMIZED[integration.service]}; Status Code: {status};"
            f" Error Code: {code}; Request ID: {request_id}; Proxy: null)"
        )
        return _error(f"{prefix}.{modeled or general}", cause)
    service = integration.operation.service_model.metadata["serviceId"].replace(" ", "")
    prefix = member_name(service)
    cause = f"{message} (Service: {service}, Status Code: {status}, Request ID: {request_id})"
    return _error(f"{prefix}.{modeled or f'{prefix}Exception'}", cause)


def runtime_error(cause: str) -> Exception:
    """Return the error of a task that could not be started."""
    return _error("States.Runtime", cause)


def _error(name: str, cause: str) -> Exception:
    error: Exception = stepfunctions._ExecutionError(name, cause)
    return error


def _modeled_name(operation: OperationModel, code: str) -> str | None:
    """Return the Java class of an error that the service's model lists."""
    # A response to HEAD has no body: the SDK takes its status for the missing resource.
    if code == "404":
        code = {"HeadObject": "NoSuchKey", "HeadBucket": "NoSuchBucket"}.get(operation.name, code)
    listed = operation.error_shapes
    for shape in (*listed, *operation.service_model.error_shapes):
        # S3 lists it for a single operation, and responds so to all.
        if shape.name == "AccessDenied" and shape not in listed:
            continue
        if code in (shape.name, shape.metadata.get("error", {}).get("code")):
            name = shape.name.removesuffix("Fault")
            return name if name.endswith("Exception") else f"{name}Exception"
    return None
