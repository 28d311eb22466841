import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from classifier_proxy import errors
from classifier_proxy.errors import error_classes
from classifier_proxy.model_response import parse_classification
from classifier_proxy.parameters import MAX_TOP_K, PARAMETER_NAMES, Parameters
from classifier_proxy.requests import (
    FORM_MEDIA_TYPE,
    IMAGE_MEDIA_TYPES,
    IMAGE_MEMBERS,
    JSON_MEDIA_TYPE,
    OTHER_IMAGE_MEDIA_TYPES,
    ApiEvent,
    parse_request,
)
from stacks.components.api.gateway_errors import GATEWAY_ERRORS
from tools.api_docs import openapi
from tools.api_docs.documents import errors_document
from tools.api_docs.openapi_schemas import CLASSIFICATION_EXAMPLE, IMAGE_EXAMPLE

DOCUMENT = openapi.document()
REPOSITORY = Path(__file__).parents[3]


def validator(schema: Any) -> Any:
    resource = Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:document", resource)
    rooted = json.loads(json.dumps(schema).replace('"#/', '"urn:document#/'))
    return OAS31Validator(rooted, registry=registry)


def json_event(document: Any) -> ApiEvent:
    headers: dict[str, str | None] = {"content-type": "application/json"}
    return ApiEvent("POST", "/predict", headers, json.dumps(document).encode())


def operations() -> Iterator[dict[str, Any]]:
    for item in DOCUMENT["paths"].values():
        yield from item.values()


def documented_errors() -> set[tuple[int, str]]:
    return {
        (int(status), code)
        for operation in operations()
        for status, response in operation["responses"].items()
        if status != "200"
        for code in response["content"]["application/json"]["examples"]
    }


def media_types() -> Iterator[tuple[str, dict[str, Any]]]:
    for operation in operations():
        body = operation.get("requestBody", {"content": {}})
        for part in (body, *operation["responses"].values()):
            yield from part["content"].items()


def test_it_is_an_openapi_document() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_is_the_same_in_every_process(tmp_path: Path) -> None:
    written = []
    for seed in ("1", "2"):
        output = tmp_path / f"{seed}.json"
        subprocess.run(
            [sys.executable, "-m", "tools.api_docs.openapi", "--output", str(output)],
            cwd=REPOSITORY,
            env={"PYTHONHASHSEED": seed, "PATH": f"{REPOSITORY}/.venv/bin"},
            capture_output=True,
            check=True,
        )
        written.append(output.read_bytes())
    assert written[0] == written[1]
    assert json.loads(written[0]) == DOCUMENT


def test_every_example_matches_its_schema() -> None:
    examples = [
        (media["schema"], example["value"])
        for _, media in media_types()
        for example in media.get("examples", {}).values()
    ]

    assert len(examples) > 40
    for schema, example in examples:
        validator(schema).validate(example)


def test_the_errors_and_both_documents_agree() -> None:
    proxys = {(error.status, error.code) for error in error_classes()}
    gateways = {(row.status, row.code) for row in GATEWAY_ERRORS if row.status}
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", errors_document(), re.MULTILINE)

    assert proxys | gateways <= documented_errors()
    assert {(int(status), code) for status, code in rows} == documented_errors()


@pytest.mark.parametrize("error", error_classes())
def test_every_error_body_of_the_proxy_is_documented(error: type[errors.ProxyError]) -> None:
    row = error()
    body = {
        **row.members,
        "error": {"code": row.code, "message": row.message},
        "request_id": "1",
    }
    responses = [operation["responses"].get(str(row.status)) for operation in operations()]
    documented = [
        response
        for response in responses
        if response
        and validator(response["content"]["application/json"]["schema"]).is_valid(body)
        and row.code in response["content"]["application/json"]["examples"]
    ]

    assert documented
    for response in documented:
        assert row.retry_after_seconds is None or "Retry-After" in response["headers"]


def test_an_error_that_is_in_no_table_breaks_the_schema() -> None:
    schema = DOCUMENT["paths"]["/predict"]["post"]["responses"]["400"]["content"]
    body = {"error": {"code": "no_such_code", "message": "x"}, "request_id": "1"}

    assert not validator(schema["application/json"]["schema"]).is_valid(body)


def test_the_request_example_is_one_that_the_proxy_takes() -> None:
    request = parse_request(json_event(IMAGE_EXAMPLE))

    assert request.media_type == "image/png"


@pytest.mark.parametrize(
    "image",
    [
        "AAAA",
        "AAA=",
        "AA==",
        "/+9z",
        "AAAAAA==",
        "AAA",
        "AA=",
        "AAAA=",
        "A===",
        "A",
        "AA\n==",
        "\r\nAA AA\t",
        "data:image/png;base64,AAAA",
        "DATA:;BASE64, AA",
        "data:image/png,AAAA",
        "data:image/png;base64,data:image/png;base64,AAAA",
        f"data:{'x' * 255};base64,AAAA",
        f"data:{'x' * 256};base64,AAAA",
        "A\x0cAAA",
        "AA=A",
        "====",
        "_9j_",
        "é",
        "A A=",
    ],
)
def test_the_document_and_the_proxy_agree_on_what_base64_is(image: str) -> None:
    def refusal() -> type[errors.RequestError]:
        with pytest.raises(errors.RequestError) as caught:
            parse_request(json_event({"image": image}))
        return caught.type

    documented = validator({"$ref": "#/components/schemas/Image"}).is_valid({"image": image})

    assert documented == (refusal() is not errors.InvalidBase64Error)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"top_k": 1},
        {"top_k": MAX_TOP_K},
        {"top_k": "all"},
        {"top_k": 0},
        {"top_k": MAX_TOP_K + 1},
        {"top_k": "some"},
        {"order": "class"},
        {"order": "score", "scores": "logits"},
        {"order": "index"},
        {"scores": "logit"},
        {"scores": None},
        {"topk": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("schema", ["Image", "Form"])
def test_the_document_and_the_proxy_agree_on_the_parameters(
    schema: str, parameters: dict[str, object]
) -> None:
    body = {**IMAGE_EXAMPLE, **parameters}
    documented = validator({"$ref": f"#/components/schemas/{schema}"}).is_valid(body)
    accepted = True
    try:
        parse_request(json_event(body))
    except errors.RequestError:
        accepted = False

    assert documented == accepted
    in_query = DOCUMENT["paths"]["/predict"]["post"]["parameters"]
    for name, value in parameters.items():
        for parameter in in_query:
            if parameter["name"] == name:
                assert validator(parameter["schema"]).is_valid(value) == accepted


def test_every_parameter_is_documented_for_the_query_and_the_body() -> None:
    in_query = {each["name"] for each in DOCUMENT["paths"]["/predict"]["post"]["parameters"]}

    assert in_query == PARAMETER_NAMES
    for schema in ("Image", "Form"):
        properties = DOCUMENT["components"]["schemas"][schema]["properties"]
        assert properties.keys() - IMAGE_MEMBERS == PARAMETER_NAMES


def test_the_image_content_types_are_documented() -> None:
    body = DOCUMENT["paths"]["/predict"]["post"]["requestBody"]

    assert set(body["content"]) == {*IMAGE_MEDIA_TYPES, FORM_MEDIA_TYPE, JSON_MEDIA_TYPE}
    assert all(f"`{media_type}`" in body["description"] for media_type in OTHER_IMAGE_MEDIA_TYPES)


def test_a_prediction_has_a_probability_or_a_logit() -> None:
    check = validator({"$ref": "#/components/schemas/Prediction"})
    prediction = {"label": "cat", "index": 1}

    assert check.is_valid({**prediction, "probability": 0.5})
    assert check.is_valid({**prediction, "logit": -7.5})
    assert not check.is_valid(prediction)
    assert not check.is_valid({**prediction, "probability": 0.5, "logit": 0.0})


def test_no_response_is_to_be_kept() -> None:
    for operation in operations():
        for response in operation["responses"].values():
            assert response["headers"]["Cache-Control"] == {
                "$ref": "#/components/headers/CacheControl"
            }
    assert DOCUMENT["components"]["headers"]["CacheControl"]["schema"] == {"const": "no-store"}


def test_the_response_example_is_one_that_the_proxy_takes() -> None:
    response = parse_classification(json.dumps(CLASSIFICATION_EXAMPLE).encode(), Parameters(5))

    assert response.body == {
        key: value for key, value in CLASSIFICATION_EXAMPLE.items() if key != "request_id"
    }


def test_only_the_health_needs_no_key() -> None:
    paths = DOCUMENT["paths"]

    assert DOCUMENT["security"] == [{"ApiKey": []}]
    assert "security" not in paths["/predict"]["post"]
    assert paths["/health"]["get"]["security"] == []


def test_both_shapes_of_a_request_that_is_too_large_are_documented() -> None:
    content = DOCUMENT["paths"]["/predict"]["post"]["responses"]["413"]["content"]

    check = validator(content["application/json"]["schema"])
    check.validate({"message": "Request Too Long"})
    assert not check.is_valid({"message": "Request Too Long", "more": 1})
    assert "text/plain" in content
