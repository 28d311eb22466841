"""moto's SageMaker and Application Auto Scaling, called in this process.

moto stores the records (models, configurations, groups, tags, scaling targets)
and lists them in pages; `hosting` runs the instances.
"""

import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import moto.applicationautoscaling.models as moto_scaling
import moto.applicationautoscaling.responses as moto_scaling_responses
import moto.sagemaker.models as moto_models
from botocore.awsrequest import AWSRequest
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.core.request import normalize_request
from moto.sagemaker.models import FakeEndpoint, SageMakerModelBackend, sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse

from local_cloud.sagemaker.errors import AwsError

# moto does not know newer instance types; requests are checked against botocore's model
# before they get here.
for _record in ("FakeEndpointConfig", "FakeSagemakerNotebookInstance"):
    getattr(moto_models, _record).validate_instance_type = lambda _self, _instance_type: None

PROVISIONED_CONCURRENCY: Final = "sagemaker:variant:DesiredProvisionedConcurrency"
# Nor this dimension of a serverless variant.
_DIMENSIONS = [each.value for each in moto_scaling.ScalableDimensionValueSet]
for _module in (moto_scaling, moto_scaling_responses):
    _module.ScalableDimensionValueSet = [
        SimpleNamespace(value=each) for each in (*_DIMENSIONS, PROVISIONED_CONCURRENCY)
    ]

_SERVICES = {
    "sagemaker": ("SageMaker", SageMakerResponse),
    "application-autoscaling": ("AnyScaleFrontendService", ApplicationAutoScalingResponse),
}


@dataclass(frozen=True)
class Scope:
    """The account and region of a request."""

    account_id: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource, such as `model/name`, of this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"


def call_moto(
    scope: Scope, service: str, operation: str, parameters: dict[str, Any]
) -> dict[str, Any]:
    """Call one operation of moto.

    Raises:
        AwsError: moto returned an error, or does not implement the operation.
    """
    prefix, response_class = _SERVICES[service]
    url = f"https://{service}.{scope.region}.amazonaws.com/"
    headers = {
        "Host": f"{service}.{scope.region}.amazonaws.com",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"{prefix}.{operation}",
        "Authorization": (
            f"AWS4-HMAC-SHA256 Credential={scope.account_id}/20260101/{scope.region}/{service}"
            "/aws4_request, SignedHeaders=host, Signature=0"
        ),
    }
    request = AWSRequest("POST", url, headers, json.dumps(parameters).encode()).prepare()
    try:
        status, _, body = response_class.dispatch(normalize_request(request), url, headers)
    except NotImplementedError as error:
        raise AwsError(
            "UnknownOperationException", f"The local cloud does not emulate {service}:{operation}."
        ) from error
    response: dict[str, Any] = json.loads(body or "{}")
    if status >= 400:
        message = response.get("message") or response.get("Message") or ""
        raise AwsError(response.get("__type", "InternalFailure"), message, status=status)
    return response


def records(scope: Scope) -> SageMakerModelBackend:
    """Return moto's records of one account and region."""
    return sagemaker_backends[scope.account_id][scope.region]


def endpoint_record(scope: Scope, name: str) -> FakeEndpoint | None:
    """Return moto's record of an endpoint, or None. Its status is set by `Endpoints`."""
    return records(scope).endpoints.get(name)
