"""Requests that schemathesis makes from the API's document: those that it allows, and others.

The document is the one that the deployment publishes (tests/local/test_page.py compares them).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import requests
import schemathesis
from schemathesis.checks import negative_data_rejection
from schemathesis.config import SchemathesisConfig

from tests.local.any_request import check_response_to_any_request
from tests.local.documented import DOCUMENT
from tests.local.images import IMAGES, images
from tools.local.deployment import LocalDeployment

CONFIGURATION: Final = {
    "seed": 1,
    # The key is set below; tests/local/test_api.py sends requests without one.
    "generation": {"with-security-parameters": False},
    "checks": {
        # No schema says which bytes are an image, nor how many classes the deployed model has, nor
        # how large an upload the stage takes.
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
# Of these, not every deployment takes uploads.
OPERATIONS: Final = schemathesis.openapi.from_dict(
    DOCUMENT, config=SchemathesisConfig.from_dict(CONFIGURATION)
)


@contextmanager
def open_session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.trust_env = False  # no proxy or bundle of the machine
        yield opened


def check_case(
    case: schemathesis.Case[Any], deployment: LocalDeployment, session: requests.Session
) -> int:
    """Send a request with the key; fail if its response is not documented; return its status."""
    headers = {"x-api-key": deployment.api_key}
    response = case.call(base_url=deployment.api_url, session=session, headers=headers)
    case.validate_response(
        response,
        headers=headers,
        transport_kwargs={"session": session},
        excluded_checks=[negative_data_rejection] if _leaves_out_a_member(case, response) else [],
    )
    sent_headers = {name: values[0] for name, values in response.headers.items()}
    check_response_to_any_request(response.status_code, sent_headers, response.content)
    return response.status_code


def _leaves_out_a_member(case: schemathesis.Case[Any], response: schemathesis.Response) -> bool:
    """Return whether a form was sent without a member of the case: an empty list has no part.

    Then what violates the schema may not have been sent.
    """
    if case.media_type != "multipart/form-data" or not isinstance(case.body, dict):
        return False
    sent = response.request.body or b""
    content = sent if isinstance(sent, bytes) else str(sent).encode()
    return content.count(b'name="') - content.count(b'filename="') < len(case.body)
