"""Requests are checked against the service's model, and errors are those of the protocol."""

import json
from typing import Any

import pytest

from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.validation import check_request
from local_cloud.sagemaker.wire import respond
from tests.local_cloud.sagemaker import SCOPE, StandInSageMaker

VARIANT = {
    "VariantName": "primary",
    "ModelName": "first",
    "InstanceType": "ml.m5.large",
    "InitialInstanceCount": 1,
}


def configuration(**members: Any) -> dict[str, Any]:
    return {"EndpointConfigName": "name", "ProductionVariants": [{**VARIANT, **members}]}


def test_a_valid_request_passes() -> None:
    check_request("sagemaker", "CreateEndpointConfig", configuration())


@pytest.mark.parametrize(
    ("parameters", "faults"),
    [
        ({"ProductionVariants": [VARIANT]}, ["Value null at 'endpointConfigName'"]),
        (configuration(InitialInstanceCount=0), ["greater than or equal to 1"]),
        (configuration(InitialInstanceCount=True), ["has type bool, expected integer"]),
        (configuration(InitialInstanceCount="1"), ["has type str, expected integer"]),
        (configuration(InitialVariantWeight=-1), ["have value greater than or equal to 0"]),
        (configuration(InstanceType="ml.m5.lagre"), ["satisfy enum value set: [ml."]),
        (configuration(VariantName="a" * 64), ["have length less than or equal to 63"]),
        (configuration(VariantName="-"), ["satisfy regular expression pattern"]),
        (configuration(Size=1), ["Unknown member 'productionVariants.1.member.size'"]),
        ({**configuration(), "ProductionVariants": []}, ["have length greater than"]),
        ({"EndpointConfigName": "-", "ProductionVariants": {}}, ["2 validation errors", "; "]),
    ],
)
def test_each_fault_is_named(parameters: dict[str, Any], faults: list[str]) -> None:
    with pytest.raises(AwsError) as refused:
        check_request("sagemaker", "CreateEndpointConfig", parameters)
    assert refused.value.code == "ValidationException"
    for fault in faults:
        assert fault in refused.value.message


def handled(sagemaker: StandInSageMaker, target: str, body: bytes) -> tuple[int, Any]:
    headers = {"x-amz-target": target}
    status, _, content = sagemaker.service.handle(SCOPE, "/", headers, body)
    return status, json.loads(content)


def test_an_operation_is_named_by_a_header(sagemaker: StandInSageMaker) -> None:
    status, content = handled(sagemaker, "SageMaker.ListModels", b"")
    assert status == 200
    assert {model["ModelName"] for model in content["Models"]} >= {"first", "second"}


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("SageMaker.ListModels", b"{", "SerializationException"),
        ("SageMaker.ListModels", b"[]", "SerializationException"),
        ("SageMaker.Nothing", b"{}", "UnknownOperationException"),
        ("", b"{}", "UnknownOperationException"),
        ("SageMaker.DescribeModel", b"{}", "ValidationException"),
    ],
)
def test_what_is_no_request_is_an_error_of_the_protocol(
    sagemaker: StandInSageMaker, target: str, body: bytes, code: str
) -> None:
    status, content = handled(sagemaker, target, body)
    assert (status, content["__type"]) == (400, code)


def test_an_error_names_its_code_in_header_and_body() -> None:
    def refuse(_operation: str, _parameters: dict[str, Any]) -> dict[str, Any]:
        raise AwsError("ConflictException", "it has packages", status=409, Extra=1)

    status, headers, body = respond(refuse, {"x-amz-target": "SageMaker.X"}, b"{}")
    assert (status, headers["x-amzn-errortype"]) == (409, "ConflictException")
    content = {"__type": "ConflictException", "Message": "it has packages", "Extra": 1}
    assert json.loads(body) == content
