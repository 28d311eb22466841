"""SageMaker's control plane and runtime API."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from local_cloud.sagemaker import model_packages
from local_cloud.sagemaker.endpoints import Endpoints
from local_cloud.sagemaker.errors import AwsError, HostingError, validation_error
from local_cloud.sagemaker.hosting.images import Images
from local_cloud.sagemaker.hosting.invocations import Invocation, invoke_endpoint
from local_cloud.sagemaker.hosting.serverless import check_model, check_serverless
from local_cloud.sagemaker.jobs.jobs import Jobs
from local_cloud.sagemaker.moto_backend import Scope, call_moto, records
from local_cloud.sagemaker.platform import Platform
from local_cloud.sagemaker.validation import check_request
from local_cloud.sagemaker.wire import Response, error_response, respond

Operation = Callable[[Scope, dict[str, Any]], dict[str, Any]]

_INVOCATIONS_PATH = re.compile(r"/endpoints/([^/]+)/invocations")

# The request member that contains the name of a record, by its kind.
_RECORD_NAMES = {"model": "ModelName", "endpoint-config": "EndpointConfigName"}


class SageMakerService:
    """Validates requests, runs endpoints, and stores all other records with moto."""

    def __init__(
        self, *, platform: Platform, images: Images, endpoints: Endpoints, jobs: Jobs
    ) -> None:
        self._platform = platform
        self._images = images
        self.endpoints = endpoints
        self._operations: dict[str, Operation] = {
            "CreateModel": self._create_model,
            "CreateEndpointConfig": self._create_endpoint_configuration,
            "CreateEndpoint": endpoints.create,
            "UpdateEndpoint": endpoints.update,
            "UpdateEndpointWeightsAndCapacities": endpoints.resize,
            "DeleteEndpoint": endpoints.delete,
            "DescribeEndpoint": _describe_endpoint,
            **model_packages.OPERATIONS,
            **jobs.operations(),
        }

    def call(self, scope: Scope, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Run one operation of the control plane.

        Raises:
            AwsError: with SageMaker's error code.
        """
        check_request("sagemaker", operation, parameters)
        own = self._operations.get(operation)
        if own:
            return own(scope, parameters)
        return call_moto(scope, "sagemaker", operation, parameters)

    def handle(self, scope: Scope, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the response to one HTTP request of the control plane or the runtime API."""
        invocation = _INVOCATIONS_PATH.fullmatch(path)
        if not invocation:
            return respond(
                lambda operation, parameters: self.call(scope, operation, parameters), headers, body
            )
        request = Invocation(scope, unquote(invocation[1]), headers, body)
        try:
            return invoke_endpoint(self.endpoints, self._platform, request)
        except AwsError as error:
            # The runtime API uses another code for the same error.
            runtime_code = "ValidationError" if error.code == "ValidationException" else error.code
            return error_response(error, code=runtime_code)

    def _create_model(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        _refuse_existing(scope, "model", parameters)
        # SageMaker also checks here that it can assume the role.
        if "ExecutionRoleArn" not in parameters:
            raise validation_error("CreateModel needs an ExecutionRoleArn.")
        try:
            self._platform.role_credentials(scope, parameters["ExecutionRoleArn"], "SageMaker")
        except HostingError as error:
            raise validation_error(str(error)) from error
        for container in (parameters.get("PrimaryContainer"), *parameters.get("Containers", [])):
            if container and "Image" in container:
                self._keep_image(container["Image"])
        created = call_moto(scope, "sagemaker", "CreateModel", {"Tags": [], **parameters})
        # moto leaves it out.
        model = records(scope)._models[parameters["ModelName"]]
        model.enable_network_isolation = parameters.get("EnableNetworkIsolation", False)
        return created

    def _keep_image(self, image: str) -> None:
        """Copy an image's build context; fails here instead of minutes later at the endpoint."""
        try:
            self._images.keep(image)
        except HostingError as error:
            raise validation_error(str(error)) from error

    def _create_endpoint_configuration(
        self, scope: Scope, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        _refuse_existing(scope, "endpoint-config", parameters)
        check_serverless(parameters)
        for variant in parameters["ProductionVariants"]:
            if "ModelName" not in variant:
                raise validation_error(
                    f"Variant {variant['VariantName']} names no model: the local cloud has no "
                    "inference components."
                )
            model = {"ModelName": variant["ModelName"]}
            try:
                described = call_moto(scope, "sagemaker", "DescribeModel", model)
            except AwsError as error:
                arn = scope.arn("sagemaker", f"model/{variant['ModelName'].lower()}")
                raise validation_error(f'Could not find model "{arn}".') from error
            if "ServerlessConfig" in variant:
                check_model(described)
        return call_moto(scope, "sagemaker", "CreateEndpointConfig", {"Tags": [], **parameters})


def _describe_endpoint(scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
    """Describe an endpoint; moto's empty DataCaptureConfig is none of SageMaker's."""
    found = call_moto(scope, "sagemaker", "DescribeEndpoint", parameters)
    return {name: value for name, value in found.items() if name != "DataCaptureConfig" or value}


def _refuse_existing(scope: Scope, kind: str, parameters: dict[str, Any]) -> None:
    name = parameters[_RECORD_NAMES[kind]]
    known = records(scope)._models if kind == "model" else records(scope).endpoint_configs
    if name in known:
        arn = scope.arn("sagemaker", f"{kind}/{name.lower()}")
        what = {"model": "model", "endpoint-config": "endpoint configuration"}[kind]
        raise validation_error(f'Cannot create already existing {what} "{arn}".')
