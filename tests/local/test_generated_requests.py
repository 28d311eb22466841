"""schemathesis sends requests that the API's document allows, and others.

The document is the one that the deployment publishes (tests/local/test_page.py compares them).
"""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import settings
from schemathesis.config import SchemathesisConfig

from tests.local.any_request import check_response_to_any_request
from tests.local.documented import DOCUMENT
from tests.local.generation import REPRODUCIBLE
from tests.local.images import IMAGES, images
from tools.local.deployment import LocalDeployment

GENERATED_REQUESTS = 2_000
CONFIGURATION = {
    "seed": 1,
    # The key is set below; tests/local/test_api.py sends requests without one.
    "generation": {"with-security-parameters": False},
    "checks": {
        # No schema says which bytes are an image, nor how many classes the deployed model has.
        "positive_data_acceptance": {"enabled": False},
    },
    # Sends two more requests for each 200; the coverage phase is enough.
    "phases": {"fuzzing": {"checks": {"ignored_auth": {"enabled": False}}}},
    "operations": [
        {
            # API Gateway has no 405: an unknown method is 403, as the document says.
            "include-operation-id": "health",
            "checks": {"unsupported_method": {"enabled": False}},
        }
    ],
}

for _media_type in IMAGES:
    schemathesis.openapi.media_type(_media_type, images(_media_type))
schema = schemathesis.openapi.from_dict(
    DOCUMENT, config=SchemathesisConfig.from_dict(CONFIGURATION)
).exclude(operation_id="uploads")  # which this deployment does not take


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.trust_env = False  # no proxy or bundle of the machine
        yield opened


@schema.parametrize()
@settings(REPRODUCIBLE, max_examples=GENERATED_REQUESTS)
def test_no_request_gets_an_undocumented_response(
    case: schemathesis.Case[Any], deployment: LocalDeployment, session: requests.Session
) -> None:
    headers = {"x-api-key": deployment.api_key}
    response = case.call(base_url=deployment.api_url, session=session, headers=headers)
    case.validate_response(response, headers=headers, transport_kwargs={"session": session})
    sent_headers = {name: values[0] for name, values in response.headers.items()}
    check_response_to_any_request(response.status_code, sent_headers, response.content)
