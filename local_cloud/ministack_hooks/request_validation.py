"""API Gateway's request validators, which MiniStack's CloudFormation leaves out.

Its data plane has them; its RequestValidator resource makes none, and methods
made by a template name none.
"""

import json
from collections.abc import Callable
from typing import Any

from ministack.services import apigateway_v1
from ministack.services.cloudformation import provisioners

Properties = dict[str, Any]


def install_request_validation() -> None:
    """Make templates' request validators work, for the content types that have a model."""
    handlers = provisioners._RESOURCE_HANDLERS
    handlers["AWS::ApiGateway::RequestValidator"]["create"] = _create_validator
    method = _with_validator(provisioners._apigw_method_create)
    provisioners._apigw_method_create = method  # which its update calls
    handlers["AWS::ApiGateway::Method"]["create"] = method
    apigateway_v1._check_request_validation = _for_modelled_types(
        apigateway_v1._check_request_validation
    )


def _create_validator(
    logical_id: str, properties: Properties, _stack: str
) -> tuple[str, dict[str, str]]:
    settings = {
        "name": properties.get("Name", logical_id),
        "validateRequestBody": _is_true(properties.get("ValidateRequestBody")),
        "validateRequestParameters": _is_true(properties.get("ValidateRequestParameters")),
    }
    _, _, body = apigateway_v1._create_request_validator(properties["RestApiId"], settings)
    validator_id = json.loads(body)["id"]
    return validator_id, {"RequestValidatorId": validator_id}


def _with_validator(original: Callable[..., Any]) -> Callable[..., Any]:
    def create(logical_id: str, properties: Properties, stack: str) -> Any:
        created = original(logical_id, properties, stack)
        resource = apigateway_v1._resources[properties["RestApiId"]][properties["ResourceId"]]
        method = resource["resourceMethods"][properties["HttpMethod"]]
        method["requestValidatorId"] = properties.get("RequestValidatorId")
        return created

    return create


def _for_modelled_types(original: Callable[..., Any]) -> Callable[..., Any]:
    """API Gateway checks a body against its own type's model alone, not against JSON's."""

    def check(
        method: Properties, api_id: str, request: Any, headers: dict[str, str], *rest: Any
    ) -> Any:
        given = {name.lower(): value for name, value in headers.items()}
        # A request that names no type is taken for JSON.
        media_type = given.get("content-type", "application/json").partition(";")[0].strip()
        models = method.get("requestModels") or {}
        if media_type not in models:
            method = {**method, "requestModels": {}}
        return original(method, api_id, request, headers, *rest)

    return check


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"
