"""Requests that are made from the API's document get documented responses.

tests/local/presets sends those of uploads, which this deployment does not take.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import settings

from tests.local.generated_api import OPERATIONS, check_case, open_session
from tests.local.generation import REPRODUCIBLE
from tools.local.deployment import LocalDeployment

GENERATED_REQUESTS = 2_000
schema = OPERATIONS.exclude(operation_id="uploads")


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with open_session() as opened:
        yield opened


@schema.parametrize()
@settings(REPRODUCIBLE, max_examples=GENERATED_REQUESTS)
def test_no_request_gets_an_undocumented_response(
    case: schemathesis.Case[Any], deployment: LocalDeployment, session: requests.Session
) -> None:
    check_case(case, deployment, session)
